# SPDX-License-Identifier: GPL-2.0-only
import json
import os
import subprocess
from pathlib import Path

import pytest

from tools.guest.slot import Boot, Slot, slots, write_atomically


def test_boots_are_numbered_and_the_last_is_current(slot: Slot) -> None:
    first = slot.new_boot({"topology": "fast"})
    second = slot.new_boot({"topology": "fast"})
    assert [boot.number for boot in slot.boots()] == [0, 1]
    assert slot.current() == second
    assert os.readlink(slot.path / "current") == "boot1"
    assert (first.slot, second.state()["boot"], second.state()["state"]) == (0, 1, "booting")


def test_more_than_ten_boots_stay_in_order(slot: Slot) -> None:
    for _ in range(11):
        slot.new_boot({})
    assert [boot.number for boot in slot.boots()] == list(range(11))


def test_an_empty_slot(slot: Slot) -> None:
    assert slot.current() is None
    assert slot.boots() == []
    assert slots(slot.run_dir) == []
    with pytest.raises(FileNotFoundError):
        slot.launch()


def test_slots_of_a_run(tmp_path: Path) -> None:
    for index in (10, 2):
        Slot(tmp_path, index).new_boot({})
    assert [slot.index for slot in slots(tmp_path)] == [2, 10]


def test_a_guest_is_claimed_once(slot: Slot) -> None:
    boot = slot.new_boot({})
    assert boot.claimed_by() is None
    assert boot.claim(123)
    assert not boot.claim(456)
    assert boot.claimed_by() == 123


def test_state_keeps_what_is_not_changed(slot: Slot) -> None:
    boot = slot.new_boot({"accel": "tcg"})
    boot.update(state="ready", record={"release": "x"})
    assert (boot.state()["accel"], boot.state()["record"]) == ("tcg", {"release": "x"})
    (boot.path / "state.json").write_text("{")
    assert boot.state() == {}


def test_a_process_id_counts_only_for_a_process_in_the_boots_folder(slot: Slot) -> None:
    boot = slot.new_boot({})
    (boot.path / "qemu.pid").write_text(f"{os.getpid()}\n")
    assert boot.qemu_pid() is None  # the number belongs to somebody else now
    with subprocess.Popen(["sleep", "60"], cwd=boot.path) as process:
        (boot.path / "qemu.pid").write_text(f"{process.pid}\n")
        assert boot.qemu_pid() == process.pid
        process.kill()
        process.wait()
    assert boot.qemu_pid() is None


def test_a_failing_write_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_never_see_half_a_state(slot: Slot) -> None:
    boot = slot.new_boot({})
    child = os.fork()
    if child == 0:
        try:
            for number in range(300):
                boot.update(number=number, filler="x" * 20000)
        finally:
            os._exit(0)  # whatever happens: two processes must not go on as one pytest worker
    seen = 0
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        json.loads((boot.path / "state.json").read_text())
        seen += 1
    assert seen
    assert Boot(boot.path).state()["number"] == 299

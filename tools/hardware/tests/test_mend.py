# SPDX-License-Identifier: GPL-2.0-only
"""A machine back to what it was: settings, devices, and what a run has left running."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import paths
from helpers.memory import PAGE_SIZE
from tools.errors import UserError
from tools.hardware import guard, journal, mend, settings
from tools.hardware.journal import Journal, Taken
from tools.hardware.settings import Settings
from tools.hardware.tests.conftest import Machine

KSM = "sys/kernel/mm/ksm/run"
THP = "sys/kernel/mm/transparent_hugepage/enabled"


@pytest.fixture
def knobs(machine: Machine) -> Machine:
    machine.file(KSM, 1)
    machine.file(THP, "always [madvise] never")
    machine.file("proc/sys/vm/swappiness", 60)
    machine.file("proc/sys/vm/drop_caches", 0)
    machine.file("sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", 4)
    return machine


def note(machine: Machine, *taken: Taken, pid: int = 1) -> Journal:
    return Journal(pid, ["run", "--here"], "runs/x", "pnode_test", list(taken), Settings.now())


def test_settings_that_differ_are_written(knobs: Machine) -> None:
    before = Settings.of(json.loads(json.dumps(Settings.now().json())))
    knobs.file(KSM, 0)
    knobs.file(THP, "[always] madvise never")
    knobs.file("proc/sys/vm/swappiness", 0)
    knobs.file("sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", 0)
    told: list[str] = []
    assert settings.restore(before, told.append) == []
    assert knobs.text(KSM) == "1"
    assert knobs.text(THP).startswith("madvise")  # a file keeps what is written to it
    assert knobs.text("proc/sys/vm/swappiness").startswith("60")
    assert len(told) >= 4


def test_what_does_something_when_it_is_written_is_no_setting(knobs: Machine) -> None:
    names = {Path(name).name for name in Settings.now().knobs}
    assert {"run", "enabled", "swappiness", "nr_hugepages"} <= names
    assert not {"drop_caches", "state", "soft_offline_page"} & names


def test_memory_blocks(knobs: Machine) -> None:
    before = Settings.now()
    knobs.block(0, "offline", "DMA32")
    assert settings.restore(before, lambda _line: None) == []
    assert knobs.text("sys/devices/system/memory/memory0/state").startswith("online_kernel")


def test_what_cannot_be_restored_is_told_and_the_note_stays(knobs: Machine, tmp_path: Path) -> None:
    one = note(knobs, Taken("dax9.0", "kmem"))
    one.write(tmp_path)
    assert mend.mend(one, lambda _line: None, tmp_path) == ["dax9.0 is gone"]
    assert journal.read(tmp_path) == one


def test_a_device_gets_its_driver_again(knobs: Machine, tmp_path: Path) -> None:
    one = note(knobs, Taken("dax0.0", "device_dax"))
    one.write(tmp_path)
    told: list[str] = []
    assert mend.mend(one, told.append, tmp_path) == []
    assert knobs.text("sys/bus/dax/drivers/device_dax/bind") == "dax0.0"
    assert "dax0.0 back with device_dax" in told
    assert journal.read(tmp_path) is None


def test_a_damaged_note_is_one_line(tmp_path: Path) -> None:
    (tmp_path / journal.FILE).write_text('{"pid": 1}')
    with pytest.raises(UserError, match="is damaged"):
        journal.read(tmp_path)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with journal.held(journal.LOCK, tmp_path) as first, journal.held(journal.LOCK, tmp_path) as second:
        assert (first, second) == (True, False)
    with journal.held(journal.LOCK, tmp_path) as again:
        assert again


def test_a_run_does_not_begin_before_the_last_is_undone(knobs: Machine, tmp_path: Path) -> None:
    note(knobs).write(tmp_path)
    with pytest.raises(UserError, match="run pnode restore"):
        guard.refuse_unmended(tmp_path)


HOLDER = """
import os, sys, time
from pathlib import Path
from tools.hardware import journal
with journal.held(journal.LOCK, Path(sys.argv[1])):
    if os.fork():
        print("ready", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_runner_has_left_running_is_ended(tmp_path: Path) -> None:
    runner = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    assert runner.stdout.readline() == "ready\n"
    assert len(journal.holders(directory=tmp_path)) == 2
    runner.kill()
    runner.wait()
    told: list[str] = []
    assert mend.end_leftovers(told.append, tmp_path) == []
    assert len(told) == 1
    assert journal.holders(directory=tmp_path) == []


def watched(pid: int, directory: Path, machine: Machine) -> "subprocess.Popen[str]":
    """A watchdog of that process; it sees the made-up machine."""
    program = (
        "import sys; from pathlib import Path; from helpers import paths; root = Path(sys.argv[1]); "
        "paths.SYS, paths.DEV = root / 'sys', root / 'dev'; from tools.hardware import guard; "
        "from tools.hardware.tests.test_mend import own_proc; own_proc(root); "
        "print('ready', flush=True); sys.exit(guard.watch(int(sys.argv[2]), Path(sys.argv[3])))"
    )
    words = [sys.executable, "-c", program, str(machine.root), str(pid), str(directory)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def own_proc(root: Path) -> None:
    """Settings of the made-up machine, processes of this one."""
    paths.PROC = root / "proc"
    journal.holders = lambda *_, **__: []  # type: ignore[assignment]


@pytest.mark.parametrize("undone", [False, True])
def test_the_watchdog_undoes_what_a_killed_runner_left(knobs: Machine, tmp_path: Path, undone: bool) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    runner = subprocess.Popen(["sleep", "60"])
    note(knobs, pid=runner.pid).write(directory)
    knobs.file(KSM, 0)
    watchdog = watched(runner.pid, directory, knobs)
    assert watchdog.stdout is not None
    assert watchdog.stdout.readline() == "ready\n"
    time.sleep(0.2)
    assert watchdog.poll() is None, "it does not wait for the runner"
    if undone:
        journal.discard(directory)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    assert watchdog.wait(20) == 0
    assert knobs.text(KSM) == ("0" if undone else "1")
    assert journal.read(directory) is None


def test_frames_that_a_killed_test_has_poisoned(
    knobs: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unpoison = tmp_path / "unpoison-pfn"
    unpoison.touch()
    monkeypatch.setattr(settings, "_UNPOISON", unpoison)
    before = Settings.now()
    words = [0] * ((128 << 20) // PAGE_SIZE)
    words[5] = 1 << 19
    (knobs.root / "proc/kpageflags").write_bytes(struct.pack(f"={len(words)}Q", *words))
    knobs.file("proc/meminfo", "HardwareCorrupted: 4 kB")
    told: list[str] = []
    assert settings.restore(before, told.append) == []
    assert (unpoison.read_text(), told) == ("0x5", ["frame 0x5 healed"])


def test_real_errors_of_before_are_not_healed(knobs: Machine) -> None:
    knobs.file("proc/meminfo", "HardwareCorrupted: 4 kB")
    before = Settings.now()
    assert settings.restore(before, lambda _line: None) == []
    knobs.file("proc/meminfo", "HardwareCorrupted: 8 kB")
    assert settings.restore(before, lambda _line: None) == [
        "4 kB were marked as poisoned meanwhile; only a reboot gives them back"
    ]


TRACES = "sys/kernel/tracing/instances"
INJECT = "sys/kernel/debug/fail_function/inject"


def test_what_a_killed_test_has_left_is_cleared_away(machine: Machine) -> None:
    for name in (f"{TRACES}/pnode-1", f"{TRACES}/perf"):
        (machine.root / name).mkdir(parents=True)
    machine.file(INJECT, "should_failslab")
    machine.file("sys/kernel/debug/kmemleak")
    machine.file("proc/77/stat", "77 (kmemleak) S 2 0 0 0 -1")
    before = Settings.of(json.loads(json.dumps(Settings.now().json())))
    assert settings.restore(before, print) == []
    assert machine.text(INJECT) == "should_failslab"  # whoever wants that
    (machine.root / f"{TRACES}/pnode-2").mkdir()
    machine.file(INJECT, "should_failslab\nadd_memory_resource")
    machine.file("proc/77/stat", "77 (other) S 2 0 0 0 -1")
    told: list[str] = []
    assert settings.restore(before, told.append) == []
    left = sorted(path.name for path in (machine.root / TRACES).iterdir())
    assert left == ["perf", "pnode-1"]
    # A file keeps what is written to it last.
    assert machine.text(INJECT).startswith("!add_memory_resource")
    assert machine.text("sys/kernel/debug/kmemleak") == "scan=on"
    assert told == ["trace instance pnode-2 removed", "add_memory_resource fails no more", "kmemleak scans"]


def test_traces_where_only_debugfs_shows_them(machine: Machine) -> None:
    machine.file("sys/kernel/debug/tracing/instances/README")
    before = Settings.now()
    (machine.root / "sys/kernel/debug/tracing/instances/pnode-2").mkdir()
    assert settings.restore(before, print) == []
    assert not (machine.root / "sys/kernel/debug/tracing/instances/pnode-2").exists()


def test_kmemleak_that_did_not_scan_stays_so(machine: Machine) -> None:
    machine.file("sys/kernel/debug/kmemleak")
    assert settings.restore(Settings.now(), print) == []
    assert machine.text("sys/kernel/debug/kmemleak") == ""


def test_an_instance_that_cannot_go_is_told(machine: Machine) -> None:
    (machine.root / TRACES).mkdir(parents=True)
    before = Settings.now()
    machine.file(f"{TRACES}/pnode-2/busy")
    (line,) = settings.restore(before, print)
    assert line.startswith("trace instance pnode-2 removed: ")


def test_an_empty_setting_is_written_as_one(machine: Machine) -> None:
    """A write of nothing is none."""
    machine.file("proc/sys/kernel/core_pattern")
    before = Settings.now()
    machine.file("proc/sys/kernel/core_pattern", "/tmp/x/core")
    assert settings.restore(before, print) == []
    assert (machine.root / "proc/sys/kernel/core_pattern").read_text().startswith("\n")


def test_the_journal_of_an_older_suite(machine: Machine) -> None:
    data = Settings.now().json()
    for name in ("traces", "injected", "scanning"):
        del data[name]
    assert settings.restore(Settings.of(data), print) == []

# SPDX-License-Identifier: GPL-2.0-only
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tools.guest import boot as boots
from tools.guest import control
from tools.guest.errors import GuestError
from tools.guest.slot import Launch, Slot
from tools.paths import ROOT

Make = Callable[..., Launch]


def boot_until_ready(slot: Slot, launch: Launch) -> dict[str, object]:
    boot, process = boots.start(slot, launch)
    try:
        return boots.wait_ready(boot, launch, process)
    finally:
        boots.kill(process)


def test_ready(slot: Slot, fake_launch: Make) -> None:
    record = boot_until_ready(slot, fake_launch("ready"))
    boot = slot.current()
    assert boot is not None
    assert record["release"] == "6.12.0-fake"
    assert boot.state()["state"] == "ready"
    assert boot.state()["machine"] == {"release": "6.12.0-fake", "armed": []}
    assert list(boot.state()["seconds"]) == ["kernel", "init", "ready"]
    assert "fake_qemu.py ready" in (boot.path / "qemu.cmd").read_text()


@pytest.mark.parametrize(
    ("behaviour", "reason", "message"),
    [
        ("panic", "panic", "kernel panic: Attempted to kill init!"),
        ("noport", "noport", "no virtio console port; it needs VIRTIO_PCI=y and VIRTIO_CONSOLE=y"),
        ("refuse", "qemu", "QEMU ended at boot (status 1): qemu-system-x86_64: -machine q36"),
        ("silent", "silent", "printed nothing"),
        ("stalled", "stalled", "a timer never fired, the host is too busy"),
        ("chatter", "deadline", "not ready after 3 s, last line: still here"),
    ],
)
def test_what_goes_wrong_is_one_line(
    slot: Slot, fake_launch: Make, behaviour: str, reason: str, message: str
) -> None:
    launch = fake_launch(
        behaviour,
        deadline=3.0 if behaviour == "chatter" else 20.0,
        first_output=0.5 if behaviour == "silent" else 10.0,  # an interpreter has to start first
    )
    with pytest.raises(GuestError) as caught:
        boot_until_ready(slot, launch)
    boot = slot.current()
    assert boot is not None
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(boot.console) in str(caught.value)
    assert boot.state()["state"] == "dead"
    assert boot.state()["reason"].startswith(reason + ": ")
    assert boot.qemu_pid() is None


def test_a_kernel_without_a_port_still_said_what_it_is(slot: Slot, fake_launch: Make) -> None:
    with pytest.raises(GuestError):
        boot_until_ready(slot, fake_launch("noport"))
    boot = slot.current()
    assert boot is not None
    assert boot.state()["record"]["release"] == "6.12.0-fake"


def test_a_missing_program_is_named(slot: Slot, fake_launch: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GuestError, match="setpriv: No such file"):
        boots.start(slot, fake_launch("ready"))


def test_qemu_dies_with_its_parent(slot: Slot, fake_launch: Make) -> None:
    slot.set_launch(fake_launch("chatter"))
    code = (
        "import sys, time; from pathlib import Path; from tools.guest import boot, slot\n"
        "s = slot.Slot(Path(sys.argv[1]), 0); boot.start(s, s.launch())\n"
        "print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(slot.run_dir)], cwd=ROOT, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        boot = slot.current()
        assert boot is not None
        deadline = time.monotonic() + 20
        while not boot.console.exists():  # setpriv has done its part once QEMU runs
            assert time.monotonic() < deadline
            time.sleep(0.02)
        pid = boot.qemu_pid()
        assert pid is not None
        parent.send_signal(signal.SIGKILL)
        assert boots.wait_gone(pid, 5.0)


def test_waiting_for_a_process_that_stays(slot: Slot) -> None:
    assert not boots.wait_gone(os.getpid(), 0.05)


def test_kill_notes_why(slot: Slot, fake_launch: Make) -> None:
    boot, process = boots.start(slot, fake_launch("chatter"))
    assert control.kill_slot(slot.run_dir, 0, "test_x ran longer than 60 s")
    process.wait()
    assert boots.finish(boot)["reason"] == "killed: test_x ran longer than 60 s"
    assert not control.kill_slot(slot.run_dir, 0, "again")
    assert not control.kill_slot(slot.run_dir, 7, "no such slot")


def test_kill_all(slot: Slot, fake_launch: Make) -> None:
    other = Slot(slot.run_dir, 1)
    processes = [boots.start(place, fake_launch("chatter"))[1] for place in (slot, other)]
    assert control.kill_all(slot.run_dir, "over") == 2
    assert [process.wait() for process in processes] == [-signal.SIGKILL] * 2


@pytest.mark.parametrize(
    ("console", "state", "reason"),
    [
        ("Kernel panic - not syncing: x\n", "dead", "panic: x"),
        ('pnode-guest: {"state": "over", "status": "exit 0"}\n', "over", "worker: exit 0"),
        ('pnode-guest: {"state": "over", "status": "SIGKILL"}\n', "dead", "worker: SIGKILL"),
        ("[ 1.0] fine\n", "dead", "qemu: ended without a word from the kernel"),
    ],
)
def test_the_end_of_a_guest(slot: Slot, console: str, state: str, reason: str) -> None:
    boot = slot.new_boot({})
    boot.console.write_text(console)
    (boot.path / "qemu.err").touch()
    found = boots.finish(boot)
    assert (found["state"], found["reason"]) == (state, reason)


@pytest.mark.parametrize(
    ("status", "console", "reason"),
    [
        (-9, "[ 1.0] fine\n", "qemu: killed by SIGKILL"),
        (1, "[ 1.0] fine\n", "qemu: ended with status 1"),
        (0, "[ 1.0] reboot: Power down\n", "reboot: Power down"),
        (0, "[ 1.0] fine\n", "reset: the machine reset without a word; last line of its console: fine"),
    ],
)
def test_a_guest_whose_kernel_did_not_die(slot: Slot, status: int, console: str, reason: str) -> None:
    boot = slot.new_boot({})
    boot.console.write_text(console)
    (boot.path / "qemu.err").touch()
    boots.note_exit(boot, status)
    assert boots.finish(boot)["reason"] == reason


def test_a_qemu_that_was_told_to_end_is_no_reset(slot: Slot) -> None:
    boot = slot.new_boot({})
    boot.console.write_text("[ 1.0] fine\n")
    (boot.path / "qemu.err").write_text("qemu-system-x86_64: terminating on signal 15 from pid 1 (init)\n")
    boots.note_exit(boot, 0)
    assert boots.finish(boot)["reason"] == "qemu: terminating on signal 15 from pid 1 (init)"


def test_the_oom_killer_is_named(slot: Slot) -> None:
    boot = slot.new_boot({})
    boot.console.write_text(
        "[ 9.1] Out of memory: Killed process 43 (init) total-vm:1kB, anon-rss:1kB, UID:0\n"
        'pnode-guest: {"state": "over", "status": "SIGKILL"}\n'
    )
    told = "Out of memory: Killed process 43 (init) total-vm:1kB"
    assert boots.finish(boot)["reason"] == f"worker: SIGKILL by the kernel: {told}"

# SPDX-License-Identifier: GPL-2.0-only
"""Threads of a process are taken away and given back; which threads a guest's CPUs are, by a QEMU of a few
lines."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.wait import wait_until
from tools.errors import UserError
from tools.guest import qmp, steal
from tools.guest.slot import Boot, Slot
from tools.guest.steal import Thief, check, stealing, take

NEVER = threading.Event()

# Two threads that count in a file, the main one in byte 0 and the other one in byte 1; and one more for each
# SIGUSR1, in byte 2.
COUNTING = """
import mmap, signal, sys, threading, time
with open(sys.argv[1], "r+b") as file:
    counts = mmap.mmap(file.fileno(), 3)
def count(which):
    while True:
        counts[which] = (counts[which] + 1) % 256
        time.sleep(0.001)
def signalled(*_):
    counts[2] += 1
signal.signal(signal.SIGUSR1, signalled)
threading.Thread(target=count, args=(1,), daemon=True).start()
count(0)
"""


class Counting:
    """A process of two threads, and how far they have counted."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "counts"
        self.file.write_bytes(bytes(3))
        self.process = subprocess.Popen([sys.executable, "-c", COUNTING, str(self.file)])
        wait_until(lambda: all(self.counts()[:2]), 30, "both threads count")
        threads = {int(name) for name in os.listdir(f"/proc/{self.process.pid}/task")}
        (self.other,) = threads - {self.process.pid}

    def counts(self) -> bytes:
        return self.file.read_bytes()

    def go_on(self, which: int) -> None:
        before = self.counts()[which]
        wait_until(lambda: self.counts()[which] != before, 10, f"thread {which} to go on")


@pytest.fixture
def may_trace() -> None:
    """A container may forbid ptrace(2) altogether."""
    process = subprocess.Popen(["sleep", "60"])
    try:
        steal._ptrace(steal._SEIZE, process.pid)
    except PermissionError:
        pytest.skip("needs ptrace(2) of a child")
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def counting(may_trace: None, tmp_path: Path) -> Iterator[Counting]:
    made = Counting(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


def state(thread: int) -> str:
    return Path(f"/proc/{thread}/stat").read_text().rpartition(")")[2].split()[0]


def test_one_thread_stops_and_the_other_goes_on(counting: Counting) -> None:
    enough = threading.Event()
    taken: list[bool] = []
    thief = threading.Thread(target=lambda: taken.append(take(counting.other, 60, enough)))
    thief.start()
    wait_until(lambda: state(counting.other) == "t", 10, "the thread to be stopped")
    stopped = counting.counts()[1]
    counting.go_on(0)
    assert counting.counts()[1] == stopped
    enough.set()
    thief.join()
    assert taken == [True]
    counting.go_on(1)


def test_for_so_long(counting: Counting) -> None:
    began = time.monotonic()
    assert take(counting.other, 0.2, NEVER)
    assert 0.2 <= time.monotonic() - began < 5
    counting.go_on(1)


def test_a_signal_that_came_first_is_not_lost(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    real = steal._ptrace

    def ptrace(request: int, thread: int, data: int = 0) -> None:
        if request == steal._INTERRUPT:
            os.kill(thread, signal.SIGUSR1)
        else:
            real(request, thread, data)

    monkeypatch.setattr(steal, "_ptrace", ptrace)
    assert take(counting.process.pid, 0.0, NEVER)
    wait_until(lambda: counting.counts()[2] == 1, 10, "the handler to run")


def test_a_guest_that_is_killed_meanwhile_is_gone(counting: Counting) -> None:
    """What is left of a thread that was traced holds its process, until the tracer has asked."""
    taken: list[bool] = []
    thief = threading.Thread(target=lambda: taken.append(take(counting.other, 0.5, NEVER)))
    thief.start()
    wait_until(lambda: state(counting.other) == "t", 10, "the thread to be stopped")
    counting.process.kill()
    assert counting.process.wait(timeout=10) == -signal.SIGKILL
    thief.join(10)
    assert taken == [False]


def test_no_such_thread(may_trace: None) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert not take(process.pid, 0.0, NEVER)


def test_a_machine_that_allows_it(may_trace: None) -> None:
    check()


def test_a_machine_that_does_not_allow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def ptrace(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(steal, "_ptrace", ptrace)
    with pytest.raises(UserError, match="--steal stops threads of QEMU, and ptrace says EPERM; allow it"):
        check()


@pytest.fixture
def guest(slot: Slot, counting: Counting, monkeypatch: pytest.MonkeyPatch) -> Boot:
    """The counting process as a guest that runs tests, whose one CPU is the other thread."""
    boot = slot.new_boot({})
    boot.update(state="running")
    monkeypatch.setattr(Boot, "qemu_pid", lambda self: counting.process.pid)

    def execute(folder: Path, command: str) -> list[dict[str, int]]:
        assert (folder, command) == (slot.boots()[-1].path, "query-cpus-fast")
        return [{"cpu-index": 0, "thread-id": counting.other}]

    monkeypatch.setattr(qmp, "execute", execute)
    return boot


def test_cpus_of_a_guest_and_no_more_after_the_block(slot: Slot, guest: Boot, counting: Counting) -> None:
    with stealing([slot], 0.01) as taken:
        wait_until(lambda: state(counting.other) == "t", 10, "a CPU to be taken")
        counting.go_on(0)
        counting.go_on(1)
    assert taken.times > 0
    assert str(taken) == f"{taken.times} times, {taken.seconds:.0f} s together"
    assert state(counting.other) != "t"


def test_nothing_is_taken_unless_asked_for(slot: Slot, guest: Boot) -> None:
    def thieves() -> list[str]:
        return [one.name for one in threading.enumerate() if isinstance(one, Thief)]

    with stealing([slot], 10.0):
        assert thieves() == ["thief-0"], "the control"
    with stealing([slot], None) as taken:
        assert thieves() == []
    assert taken.times == 0


def test_only_of_a_guest_that_runs_tests(slot: Slot, guest: Boot, counting: Counting) -> None:
    thief = Thief(slot, 0.01)
    guest.update(state="ready")
    assert not thief._running(), "its worker is not there yet"
    guest.update(state="running")
    assert thief._running() == [counting.other]
    slot.new_boot({})
    assert not thief._running(), "the next one boots"


@pytest.mark.parametrize("error", [OSError("no answer"), qmp.Refused("not now")], ids=["silent", "refuses"])
def test_a_qemu_that_does_not_answer(guest: Boot, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def execute(*_: object) -> None:
        raise error

    monkeypatch.setattr(qmp, "execute", execute)
    assert steal.cpus(guest) == ()

# SPDX-License-Identifier: GPL-2.0-only
"""Takes virtual CPUs away from guests while their tests run, one of a guest at a time, as a busy host does.

Between any two instructions of the kernel under test, or of a test, there can then be milliseconds, in which
the guest's other CPUs go on. A result that depends on who is faster shows it by changing. ptrace(2) stops the
thread of QEMU that is the CPU, under TCG and KVM alike, and nothing else of QEMU.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from helpers.outcome import errno_name
from tools.errors import UserError
from tools.guest.slot import Boot, Slot

# include/uapi/linux/ptrace.h, and __WALL of waitpid(2): threads of others have no exit signal for us.
_DETACH, _SEIZE, _INTERRUPT = 17, 0x4206, 0x4207
_EVENT_STOP = 128
_WALL = 0x40000000
#: No theft is longer than so many times the mean, nor is the mean more milliseconds than this: it is to look
#: like a busy host, not like a dead guest.
LONGEST, MOST = 10, 1000
#: Seconds between two looks for a guest, when the slot has none that runs tests.
_LOOK = 0.5


@cache
def _bindings() -> tuple[Any, Any]:
    from cffi import FFI  # loads a parser of C, which other runs have no use for

    ffi = FFI()
    ffi.cdef("long ptrace(int request, ...);")
    return ffi, ffi.dlopen(None)


def _ptrace(request: int, thread: int, data: int = 0) -> None:
    ffi, libc = _bindings()
    if libc.ptrace(request, ffi.cast("int", thread), ffi.NULL, ffi.cast("void *", data)):
        raise OSError(ffi.errno, os.strerror(ffi.errno))


def take(thread: int, seconds: float, ended: threading.Event) -> bool:
    """Stop one thread, of another process, for so long or until `ended` is set; False when it is no more.

    Raises OSError: EPERM where it must not be stopped (ptrace(2)), or somebody else traces it.
    """
    try:
        _ptrace(_SEIZE, thread)
    except ProcessLookupError:
        return False
    # One that dies meanwhile leaves its status to who traces it, and its process is not gone before that is
    # read: whichever of these calls finds it dead, the last thing is to wait.
    with contextlib.suppress(ProcessLookupError):
        _ptrace(_INTERRUPT, thread)
    status = _wait(thread)
    if status is None or not os.WIFSTOPPED(status):
        return False
    ended.wait(seconds)
    # It may have stopped for a signal, which is its own.
    signal = 0 if status >> 16 == _EVENT_STOP else os.WSTOPSIG(status)
    try:
        _ptrace(_DETACH, thread, signal)
    except ProcessLookupError:
        _wait(thread)
        return False
    return True


def _wait(thread: int) -> int | None:
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(thread, _WALL)[1]
    return None


def check() -> None:
    """Stop a process for a moment. Raises UserError where this machine does not let us."""
    process = subprocess.Popen(["sleep", "60"])
    try:
        take(process.pid, 0.0, threading.Event())
    except OSError as error:
        raise UserError(
            f"--steal stops threads of QEMU, and ptrace says {errno_name(error.errno or 0)}; allow it "
            "(CAP_SYS_PTRACE in a container, sysctl kernel.yama.ptrace_scope at most 1), or run without"
        ) from error
    finally:
        process.kill()
        process.wait()


@dataclass
class Taken:
    """What was taken, of all guests together."""

    times: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.times} times, {self.seconds:.0f} s together"


class Thief(threading.Thread):
    """Takes CPUs of the guests of one slot, whichever lives, each for `mean` seconds on average, with as long
    a pause after it. All of it is done by this thread: only the one that has begun may go on with ptrace."""

    def __init__(self, slot: Slot, mean: float) -> None:
        super().__init__(name=f"thief-{slot.index}", daemon=True)
        self.taken = Taken()
        self._slot, self._mean = slot, mean
        self._ended = threading.Event()
        self._random = random.Random()
        self._boot: Boot | None = None
        self._cpus: Sequence[int] = ()

    def run(self) -> None:
        while not self._ended.wait(self._seconds()):
            cpus = self._running()
            if not cpus:
                self._ended.wait(_LOOK)
                continue
            seconds = self._seconds()
            with contextlib.suppress(OSError):  # somebody debugs it
                if take(self._random.choice(cpus), seconds, self._ended):
                    self.taken.times += 1
                    self.taken.seconds += seconds

    def stop(self) -> None:
        """Give back what is taken; returns when it is."""
        self._ended.set()
        self.join()

    def _seconds(self) -> float:
        return min(self._random.expovariate(1 / self._mean), LONGEST * self._mean)

    def _running(self) -> Sequence[int]:
        """Threads that are the CPUs of the slot's guest; none while there is no guest that runs tests."""
        boot = self._slot.current()
        if boot is None or boot.qemu_pid() is None:
            return ()
        if boot != self._boot:
            self._cpus = cpus(boot) if boot.state().get("state") == "running" else ()
            self._boot = boot if self._cpus else None
        return self._cpus


def cpus(boot: Boot) -> Sequence[int]:
    """Ids of the threads that are a guest's CPUs; none where QEMU does not answer."""
    from tools.guest import qmp  # loads asyncio

    try:
        return [int(cpu["thread-id"]) for cpu in qmp.execute(boot.path, "query-cpus-fast")]
    except (OSError, qmp.Refused, LookupError, TypeError, ValueError):
        return ()


@contextlib.contextmanager
def stealing(slots: Sequence[Slot], mean: float | None) -> Iterator[Taken]:
    """Have CPUs of the guests in these slots taken away during the block, for `mean` seconds on average; None
    is not at all. After the block, what it yields says how much was taken."""
    total = Taken()
    thieves = [Thief(slot, mean) for slot in slots] if mean else []
    for thief in thieves:
        thief.start()
    try:
        yield total
    finally:
        for thief in thieves:
            thief.stop()
            total.times += thief.taken.times
            total.seconds += thief.taken.seconds

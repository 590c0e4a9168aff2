# SPDX-License-Identifier: GPL-2.0-only
"""The ways in which a test can go wrong, one function each, named as in faults.toml ("-" is "_").

Each runs in a guest that is made for this. Some need the module pnode_chaos (module/pnode_chaos.c).
"""

import ctypes
import fcntl
import mmap
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

GUEST = Path("/pnode/config.json")
MODULE = "/pnode/pnode_chaos.ko"
DEVICE = Path("/dev/pnode_chaos")
FINIT_MODULE = 313  # x86-64
RESTART, POWER_OFF = 0x01234567, 0x4321FEDC
LONG = 3600.0  # seconds: never, for a test
HUGE = 2 << 20
LEFT = 24 << 20
libc = ctypes.CDLL(None, use_errno=True)
#: Set once nothing that this worker says arrives: what its later tests did would be blamed on the one that
#: cut it off, the last that the host knows of. They run again in another guest.
cut_off = threading.Event()


def by_name(name: str) -> Callable[[], None]:
    """The function of a fault, wrapped so that it runs in a guest only. Raises KeyError."""
    function: Callable[[], None] = globals()[name.replace("-", "_")]

    def guarded() -> None:
        if not GUEST.exists() or os.getppid() != 1:
            raise RuntimeError(f"{name} would harm this machine: it is no guest of pnode chaos")
        if not cut_off.is_set():
            function()

    return guarded


def load_module() -> None:
    """Raises OSError."""
    if not DEVICE.exists():
        with open(MODULE, "rb") as file:
            if libc.syscall(FINIT_MODULE, file.fileno(), b"", 0):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), MODULE)


def in_kernel(what: str) -> None:
    """Have the module break something. Raises OSError."""
    load_module()
    with DEVICE.open("wb", buffering=0) as device:
        device.write(what.encode())


def deaf() -> None:
    """The soft deadline is not heard. (To block its signal is not enough: another thread takes it, and the
    interpreter handles it in the main one.)"""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)


def channel() -> list[int]:
    """Descriptors of the worker's virtio port."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("/dev/vport"):
                found.append(int(name))
        except OSError:
            continue
    if not found:
        raise LookupError("the worker's channel is not a virtio port")
    return found


# --- nothing wrong with the runner's world
# -------------------------------------------------------------------------------------------------------


def good() -> None:
    pass


def fails() -> None:
    assert sum([1, 2]) == 4, "an assertion that fails on purpose"


def prints_much() -> None:
    for number in range(6_000):
        print(f"{number}: {'x' * 80}")


def waits() -> None:
    """For what is done to it from outside."""
    time.sleep(LONG)


def waits_a_little() -> None:
    """So that there is time to do something to the run."""
    time.sleep(1.0)


# --- the kernel dies or complains
# -------------------------------------------------------------------------------------------------------


def panic() -> None:
    Path("/proc/sysrq-trigger").write_text("c")


def panic_in_setup() -> None:
    in_kernel("panic")


panic_in_teardown = panic_in_setup


def oops() -> None:
    in_kernel("oops")


def bug() -> None:
    in_kernel("bug")


def warn() -> None:
    in_kernel("warn")


def triple_fault() -> None:
    in_kernel("reset")


# --- hangs
# -------------------------------------------------------------------------------------------------------


def busy_loop() -> None:
    while True:
        pass


def sleeps() -> None:
    time.sleep(LONG)


def waits_for_its_child() -> None:
    child = os.fork()
    if not child:
        time.sleep(LONG)
        os._exit(0)
    os.waitpid(child, 0)


def waits_for_its_own_lock() -> None:
    lock = threading.Lock()
    with lock, lock:
        pass


def deaf_busy_loop() -> None:
    deaf()
    while True:
        pass


def deaf_sleep() -> None:
    deaf()
    time.sleep(LONG)


def stops_itself() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def sleeps_in_kernel() -> None:
    in_kernel("wait")


def child_sleeps_in_kernel() -> None:
    deaf()
    child = os.fork()
    if not child:
        in_kernel("wait")
    os.waitpid(child, 0)


def deadlock_in_kernel() -> None:
    load_module()
    threading.Thread(target=in_kernel, args=("deadlock-ba",), daemon=True).start()
    in_kernel("deadlock-ab")


def spins_on_one_cpu() -> None:
    in_kernel("spin-one")


def spins_on_all_cpus() -> None:
    in_kernel("spin-all")


def loops_in_kernel() -> None:
    in_kernel("loop")


# --- the interpreter goes away
# -------------------------------------------------------------------------------------------------------


def exits_with_0() -> None:
    os._exit(0)


def exits_with_3() -> None:
    os._exit(3)


def kills_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def segfaults() -> None:
    ctypes.string_at(8)


def aborts() -> None:
    os.abort()


def sys_exit() -> None:
    sys.exit("sys.exit() on purpose")


def pytest_exit() -> None:
    pytest.exit("pytest.exit() on purpose", returncode=0)


def keyboard_interrupt() -> None:
    raise KeyboardInterrupt


def child_comes_back() -> None:
    """The child of a fork that forgets to leave goes on as if it were the worker."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) != 0, "it went on as a second worker"


def kills_everything() -> None:
    os.kill(-1, signal.SIGKILL)


# --- memory, console
# -------------------------------------------------------------------------------------------------------


def _take_all_memory() -> None:
    """Huge pages first: the kernel gives them away without touching them, so that little is left to fill."""
    for folder in Path("/sys/devices/system/node").glob("node*/hugepages/hugepages-2048kB"):
        lines = (folder.parents[1] / "meminfo").read_text().splitlines()
        free = next(int(line.split()[3]) << 10 for line in lines if "MemFree" in line)
        (folder / "nr_hugepages").write_text(str(max(0, free - LEFT) // HUGE))
    kept = []
    while True:
        area = mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for offset in range(0, len(area), mmap.PAGESIZE):
            area[offset] = 1
        kept.append(area)


def out_of_memory() -> None:
    """The worker is out of the OOM killer's reach, as in any test: nobody is left to be killed."""
    _take_all_memory()


def killed_for_memory() -> None:
    Path("/proc/self/oom_score_adj").write_text("1000")
    _take_all_memory()


def overflows_the_log() -> None:
    """At a level that does not go to the console."""
    with open("/dev/kmsg", "wb", buffering=0) as log:
        for number in range(3000):
            log.write(b"<7>pnode_chaos: %d %s\n" % (number, b"x" * 900))


def floods_the_console() -> None:
    with open("/dev/kmsg", "wb", buffering=0) as log:
        while True:
            log.write(b"<6>pnode_chaos: %s\n" % (b"x" * 900))


# --- the channel, the machine
# -------------------------------------------------------------------------------------------------------


def garbage_on_the_channel() -> None:
    for port in channel()[:1]:
        os.write(port, os.urandom(4096))
    time.sleep(LONG)


def zeroes_on_the_channel() -> None:
    os.write(channel()[0], bytes(64))
    time.sleep(LONG)


def part_of_a_message() -> None:
    """A header that promises more than ever comes: what follows would be taken for its data."""
    cut_off.set()
    os.write(channel()[0], bytes([4, 0, 0, 0, 3, 0x10, 0, 0, 0]))


def closes_the_channel() -> None:
    for port in channel():
        os.close(port)


def channel_without_blocking() -> None:
    for port in channel():
        fcntl.fcntl(port, fcntl.F_SETFL, fcntl.fcntl(port, fcntl.F_GETFL) | os.O_NONBLOCK)
    for number in range(6_000):
        print(f"{number}: {'x' * 80}")


def reboots() -> None:
    libc.reboot(RESTART)


def powers_off() -> None:
    libc.reboot(POWER_OFF)


kill_qemu = terminate_qemu = stop_qemu = kill_wrapper = stop_wrapper = waits
kill_runner = interrupt_runner = no_replacement = waits
full_disk = waits_a_little

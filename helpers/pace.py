# SPDX-License-Identifier: GPL-2.0-only
"""How slow this machine is, so that bounds in seconds mean the same amount of work everywhere.

Bounds are written for an emulated guest with the reference kernel on an idle host. What runs slower (a kernel
that watches itself, a busy host) multiplies them by its pace, a number of 1 or more that is measured once,
when a guest is up, and handed on as PNODE_PACE.
"""

import ctypes
import mmap
import os
import time
from contextlib import suppress

__all__ = ["VARIABLE", "factor", "measure", "pace", "scaled"]

VARIABLE = "PNODE_PACE"
# Milliseconds that measure() takes where bounds are right as they are written: 2 vCPUs under TCG, nothing
# else on the host's cores, reference kernel. Under KVM it takes less than one.
USUAL_MS = 20.0
#: Beyond this something is broken, not slow.
LONGEST = 25.0
_PAGES, _CALLS, _ROUNDS = 512, 2000, 3


def measure() -> float:
    """Milliseconds for 512 page faults and 2000 system calls; the best of three rounds, since all else a
    machine does can only add to it."""
    return round(min(_round() for _ in range(_ROUNDS)), 1)


def _round() -> float:
    size = _PAGES * mmap.PAGESIZE
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        with suppress(OSError):  # EINVAL: no huge pages in this kernel
            memory.madvise(mmap.MADV_NOHUGEPAGE)
        first = ctypes.c_char.from_buffer(memory)
        began = time.perf_counter()
        ctypes.memset(ctypes.addressof(first), 1, size)
        for _ in range(_CALLS):
            os.getppid()
        took = (time.perf_counter() - began) * 1000
        del first  # or the mapping could not be closed
    return took


def factor(milliseconds: float) -> float:
    """The pace that a measurement means: 1 for what is usual or faster."""
    return round(min(max(milliseconds / USUAL_MS, 1.0), LONGEST), 2)


def pace() -> float:
    """This machine's pace as it was handed on, 1 where nobody measured."""
    try:
        return min(max(float(os.environ.get(VARIABLE, "1")), 1.0), LONGEST)
    except ValueError:
        return 1.0


def scaled(seconds: float) -> float:
    """A bound that is right on the usual machine, in seconds for this one."""
    return seconds * pace()

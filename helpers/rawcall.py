# SPDX-License-Identifier: GPL-2.0-only
"""syscall(2) through cffi in ABI mode, and what its arguments are made of.

ABI mode needs no compiler, so it works in a guest. glibc wraps few of these calls and changes
some errors on the way, hence the numbers. Every failure is OSError with the kernel's errno.
"""

import os
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from cffi import FFI

from helpers.nodemask import NodeMask

ffi = FFI()
# Declared with six fixed arguments: syscall() is assembly that moves six registers, and the
# calling conventions of x86_64 and aarch64 pass integers to "..." as to named parameters.
ffi.cdef(
    "long syscall(long number, unsigned long a, unsigned long b, unsigned long c,"
    " unsigned long d, unsigned long e, unsigned long f);"
)
_libc: Any = ffi.dlopen(None)
# Words with a sign, -1 among them: cffi converts them many times as fast as Python masks them.
_signed: Any = ffi.cast("long(*)(long, long, long, long, long, long, long)", _libc.syscall)
_ZEROS = tuple((0,) * (6 - count) for count in range(7))  # arguments that are not given

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
# More bits than nr_node_ids of any kernel (MAX_NUMNODES is at most 1024), as get_mempolicy() wants.
ANY_MAXNODE = 1024 + 1
# move_pages() leaves the status of pages it did not come to as it was; no errno has this value.
STATUS_UNSET = -0x7FFF

WORD = (1 << 64) - 1
Mask = NodeMask | Iterable[int] | int | None


def _numbers() -> dict[str, int]:
    tables = tomllib.loads((Path(__file__).with_name("syscall_numbers.toml")).read_text())
    machine = os.uname().machine
    if machine not in tables:
        raise OSError(f"no system call numbers for {machine} in helpers/syscall_numbers.toml")
    return dict(tables[machine])


NUMBERS = _numbers()


def call(name: str, *args: int) -> int:
    """The raw call: result, or OSError with the errno and the call's name."""
    zeros = _ZEROS[len(args)]
    try:
        result: int = _signed(NUMBERS[name], *args, *zeros)
    except (OverflowError, TypeError):  # the kernel's half of addresses, rubbish; what only int() takes
        result = _libc.syscall(NUMBERS[name], *(int(arg) & WORD for arg in args), *zeros)
    if result == -1:
        number = ffi.errno
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def address_of(data: Any) -> int:
    """Address of a cdata array or pointer."""
    return int(ffi.cast("uintptr_t", data))


def mask_argument(nodes: Mask, maxnode: int | None) -> tuple[Any, int, int]:
    """(what to keep alive during the call, address, maxnode)."""
    if nodes is None:
        return None, 0, maxnode or 0
    if isinstance(nodes, int):
        return None, nodes, ANY_MAXNODE if maxnode is None else maxnode
    return _encoded(frozenset(map(int, nodes)), maxnode)


@lru_cache(maxsize=256)
def _encoded(nodes: frozenset[int], maxnode: int | None) -> tuple[Any, int, int]:
    """The same few masks over and over; the kernel only reads them."""
    data, bits = NodeMask(nodes).encode(maxnode)
    buffer = ffi.new("char[]", data)
    return buffer, address_of(buffer), bits


def string_argument(text: str | os.PathLike[str] | int) -> tuple[Any, int]:
    if isinstance(text, int):
        return None, text
    data = ffi.new("char[]", os.fsencode(text))
    return data, address_of(data)

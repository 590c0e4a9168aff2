# SPDX-License-Identifier: GPL-2.0-only
"""System calls that Python has no binding for, by syscall(2) through cffi in ABI mode.

ABI mode needs no compiler, so it works in a guest. glibc wraps few of these calls and changes
some errors on the way, hence the numbers. Every failure is OSError with the kernel's errno.

Nothing is checked here: addresses, lengths, modes, masks and flags are passed on as they are
(negative numbers as two's complement), so that a table of errors can pass rubbish. Where a
mask is taken it may be a NodeMask, any iterable of node ids, None for a NULL pointer, or an int
used as the address itself.
"""

import os
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cffi import FFI

# Re-exported: who makes a call wants its constants from the same place.
from helpers.constants import *  # noqa: F403
from helpers.constants import Mode, mode_name
from helpers.nodemask import NodeMask

__all__ = ["Mode", "NodeMask", "mode_name"]

ffi = FFI()
# Declared with six fixed arguments: syscall() is assembly that moves six registers, and the
# calling conventions of x86_64 and aarch64 pass integers to "..." as to named parameters.
ffi.cdef(
    "long syscall(long number, unsigned long a, unsigned long b, unsigned long c,"
    " unsigned long d, unsigned long e, unsigned long f);"
)
_libc: Any = ffi.dlopen(None)

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
# More bits than nr_node_ids of any kernel (MAX_NUMNODES is at most 1024), as get_mempolicy() wants.
ANY_MAXNODE = 1024 + 1
# move_pages() leaves the status of pages it did not come to as it was; no errno has this value.
STATUS_UNSET = -0x7FFF

_WORD = (1 << 64) - 1
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
    padded = [int(arg) & _WORD for arg in args] + [0] * (6 - len(args))
    result = int(_libc.syscall(NUMBERS[name], *padded))
    if result == -1:
        number = ffi.errno
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def address_of(data: Any) -> int:
    """Address of a cdata array or pointer."""
    return int(ffi.cast("uintptr_t", data))


def _mask(nodes: Mask, maxnode: int | None) -> tuple[Any, int, int]:
    """(what to keep alive during the call, address, maxnode)."""
    if nodes is None:
        return None, 0, maxnode or 0
    if isinstance(nodes, int):
        return None, nodes, ANY_MAXNODE if maxnode is None else maxnode
    mask = nodes if isinstance(nodes, NodeMask) else NodeMask(nodes)
    data, bits = mask.encode(maxnode)
    buffer = ffi.new("char[]", data)
    return buffer, address_of(buffer), bits


# --- memory policy ---------------------------------------------------------------------------


def mbind(
    addr: int, length: int, mode: int, nodes: Mask, flags: int = 0, *, maxnode: int | None = None
) -> None:
    """Policy of an address range, see mbind(2). maxnode is worked out from the mask unless given."""
    keep, pointer, bits = _mask(nodes, maxnode)
    call("mbind", addr, length, mode, pointer, bits, flags)
    del keep


def set_mempolicy(mode: int, nodes: Mask = None, *, maxnode: int | None = None) -> None:
    """Policy of the calling thread, see set_mempolicy(2)."""
    keep, pointer, bits = _mask(nodes, maxnode)
    call("set_mempolicy", mode, pointer, bits)
    del keep


def get_mempolicy(
    addr: int | None = None, flags: int = 0, *, maxnode: int | None = None
) -> tuple[int, NodeMask]:
    """(mode with its flags, or the node with MPOL_F_NODE; nodes), see get_mempolicy(2).

    addr None is NULL: the thread's policy. With an addr, add MPOL_F_ADDR.
    mode_name() turns the mode into text.
    """
    bits = ANY_MAXNODE if maxnode is None else maxnode
    mode = ffi.new("int *", -1)
    # The kernel writes ALIGN(maxnode - 1, 64) / 8 bytes; an absurd maxnode is EINVAL or EFAULT.
    size = min(max(bits, 1) // 64 + 1, 8192) * 8
    mask = ffi.new("char[]", size)
    call("get_mempolicy", address_of(mode), address_of(mask), bits, addr or 0, flags)
    return int(mode[0]), NodeMask.decode(bytes(ffi.buffer(mask)))


def get_mempolicy_raw(mode_ptr: int, mask_ptr: int, maxnode: int, addr: int, flags: int) -> int:
    """get_mempolicy() with every pointer given, for error tables."""
    return call("get_mempolicy", mode_ptr, mask_ptr, maxnode, addr, flags)


def set_mempolicy_home_node(addr: int, length: int, node: int, flags: int = 0) -> None:
    """Preferred node inside a BIND or PREFERRED_MANY range, Linux 5.17."""
    call("set_mempolicy_home_node", addr, length, node, flags)


# --- migration -------------------------------------------------------------------------------


def migrate_pages(pid: int, old: Mask, new: Mask, *, maxnode: int | None = None) -> int:
    """Moves the pages of a process, see migrate_pages(2). Returns how many could not be moved.

    One maxnode serves both masks, so the longer one decides.
    """
    if maxnode is None:
        maxnode = max(_mask(old, None)[2], _mask(new, None)[2])
    keep_old, old_ptr, _ = _mask(old, maxnode)
    keep_new, new_ptr, _ = _mask(new, maxnode)
    result = call("migrate_pages", pid, maxnode, old_ptr, new_ptr)
    del keep_old, keep_new
    return result


def move_pages_result(
    pid: int, addrs: Sequence[int], nodes: Sequence[int] | None, flags: int = 0
) -> tuple[int, list[int]]:
    """(return value, status of each page). The return value counts pages that were not migrated.

    Status: the node the page is on, a negative errno, or STATUS_UNSET where the kernel wrote
    nothing. nodes None only asks. See move_pages(2).
    """
    if nodes is not None and len(nodes) != len(addrs):
        raise ValueError(f"move_pages: {len(addrs)} addresses but {len(nodes)} nodes")
    count = len(addrs)
    pages = ffi.new("unsigned long[]", [addr & _WORD for addr in addrs])
    targets = None if nodes is None else ffi.new("int[]", list(nodes))
    status = ffi.new("int[]", [STATUS_UNSET] * count)
    target_ptr = 0 if targets is None else address_of(targets)
    result = move_pages_raw(pid, count, address_of(pages), target_ptr, address_of(status), flags)
    return result, list(ffi.unpack(status, count)) if count else []


def move_pages(pid: int, addrs: Sequence[int], nodes: Sequence[int] | None, flags: int = 0) -> list[int]:
    """Status of each page: node, or negative errno; see move_pages_result()."""
    return move_pages_result(pid, addrs, nodes, flags)[1]


def move_pages_raw(pid: int, count: int, pages: int, nodes: int, status: int, flags: int) -> int:
    """move_pages() with every pointer given, for error tables."""
    return call("move_pages", pid, count, pages, nodes, status, flags)


# --- mappings --------------------------------------------------------------------------------


def mmap(addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
    """Address of the new mapping."""
    return call("mmap", addr, length, prot, flags, fd, offset)


def munmap(addr: int, length: int) -> None:
    call("munmap", addr, length)


def mprotect(addr: int, length: int, prot: int) -> None:
    call("mprotect", addr, length, prot)


def mremap(addr: int, old_length: int, new_length: int, flags: int = 0, new_addr: int = 0) -> int:
    """Address after the move."""
    return call("mremap", addr, old_length, new_length, flags, new_addr)


def madvise(addr: int, length: int, advice: int) -> None:
    call("madvise", addr, length, advice)


def process_madvise(pidfd: int, ranges: Sequence[tuple[int, int]], advice: int, flags: int = 0) -> int:
    """Advice for (address, length) ranges of another process. Returns the bytes advised."""
    words = [word & _WORD for start, length in ranges for word in (start, length)]
    iov = ffi.new("unsigned long[]", words or [0])
    return call("process_madvise", pidfd, address_of(iov), len(ranges), advice, flags)


def mlock(addr: int, length: int) -> None:
    call("mlock", addr, length)


def mlock2(addr: int, length: int, flags: int = 0) -> None:
    call("mlock2", addr, length, flags)


def munlock(addr: int, length: int) -> None:
    call("munlock", addr, length)


def mlockall(flags: int) -> None:
    call("mlockall", flags)


def munlockall() -> None:
    call("munlockall")


def mincore(addr: int, length: int) -> list[bool]:
    """For each page of the range: is it resident."""
    pages = max(-(-length // PAGE_SIZE), 1) if length > 0 else 1
    vector = ffi.new("unsigned char[]", pages)
    call("mincore", addr, length, address_of(vector))
    return [bool(byte & 1) for byte in bytes(ffi.buffer(vector))]


def process_vm_readv(pid: int, addr: int, length: int) -> bytes:
    """Bytes of another process; may be fewer than asked for when a hole follows."""
    data = ffi.new("char[]", length)
    local = ffi.new("unsigned long[]", [address_of(data), length])
    remote = ffi.new("unsigned long[]", [addr & _WORD, length])
    done = call("process_vm_readv", pid, address_of(local), 1, address_of(remote), 1, 0)
    return bytes(ffi.buffer(data, done))


def process_vm_writev(pid: int, addr: int, data: bytes) -> int:
    """Writes into another process, returns the bytes written."""
    source = ffi.new("char[]", data)
    local = ffi.new("unsigned long[]", [address_of(source), len(data)])
    remote = ffi.new("unsigned long[]", [addr & _WORD, len(data)])
    return call("process_vm_writev", pid, address_of(local), 1, address_of(remote), 1, 0)


# --- System V shared memory ------------------------------------------------------------------

IPC_PRIVATE, IPC_CREAT, IPC_RMID, SHM_HUGETLB = 0, 0o1000, 0, 0o4000


def shmget(key: int, size: int, flags: int) -> int:
    return call("shmget", key, size, flags)


def shmat(shmid: int, addr: int = 0, flags: int = 0) -> int:
    return call("shmat", shmid, addr, flags)


def shmdt(addr: int) -> None:
    call("shmdt", addr)


def shm_remove(shmid: int) -> None:
    """Marks the segment for removal at its last detach (IPC_RMID)."""
    call("shmctl", shmid, IPC_RMID, 0)


# --- swap, mounts, modules -------------------------------------------------------------------


def _string(text: str | os.PathLike[str] | int) -> tuple[Any, int]:
    if isinstance(text, int):
        return None, text
    data = ffi.new("char[]", os.fsencode(text))
    return data, address_of(data)


def swapon(path: str | os.PathLike[str], flags: int = 0) -> None:
    keep, pointer = _string(path)
    call("swapon", pointer, flags)
    del keep


def swapoff(path: str | os.PathLike[str]) -> None:
    keep, pointer = _string(path)
    call("swapoff", pointer)
    del keep


def mount(
    source: str, target: str | os.PathLike[str], fstype: str, flags: int = 0, data: str | int = 0
) -> None:
    strings = [_string(source), _string(target), _string(fstype), _string(data)]
    call("mount", strings[0][1], strings[1][1], strings[2][1], flags, strings[3][1])


def umount(target: str | os.PathLike[str], flags: int = 0) -> None:
    keep, pointer = _string(target)
    call("umount2", pointer, flags)
    del keep


def finit_module(fd: int, params: str = "", flags: int = 0) -> None:
    keep, pointer = _string(params)
    call("finit_module", fd, pointer, flags)
    del keep


def delete_module(name: str, flags: int = os.O_NONBLOCK) -> None:
    """Unloads a module. EWOULDBLOCK when it is in use."""
    keep, pointer = _string(name)
    call("delete_module", pointer, flags)
    del keep

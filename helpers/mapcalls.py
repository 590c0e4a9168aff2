# SPDX-License-Identifier: GPL-2.0-only
"""System calls about mappings, System V shared memory, and the memory of other processes."""

from collections.abc import Sequence

from helpers.rawcall import PAGE_SIZE, WORD, address_of, call, ffi


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
    words = [word & WORD for start, length in ranges for word in (start, length)]
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
    remote = ffi.new("unsigned long[]", [addr & WORD, length])
    done = call("process_vm_readv", pid, address_of(local), 1, address_of(remote), 1, 0)
    return bytes(ffi.buffer(data, done))


def process_vm_writev(pid: int, addr: int, data: bytes) -> int:
    """Writes into another process, returns the bytes written."""
    source = ffi.new("char[]", data)
    local = ffi.new("unsigned long[]", [address_of(source), len(data)])
    remote = ffi.new("unsigned long[]", [addr & WORD, len(data)])
    return call("process_vm_writev", pid, address_of(local), 1, address_of(remote), 1, 0)


def vmsplice(fd: int, addr: int, length: int, flags: int = 0) -> int:
    """Hands pages to the pipe `fd` without a copy; returns the bytes that went in."""
    vector = ffi.new("unsigned long[]", [addr & WORD, length])
    return call("vmsplice", fd, address_of(vector), 1, flags)


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

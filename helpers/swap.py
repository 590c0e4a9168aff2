# SPDX-License-Identifier: GPL-2.0-only
"""Swap on a RAM disk or file: guests have no mkswap, swapon or swapoff programs.

Source: include/linux/swap.h (union swap_header), mkswap(8), swapon(2).
"""

import errno
import fcntl
import os
import stat
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from helpers import paths
from helpers import syscalls as sc

MAGIC = b"SWAPSPACE2"
_INFO = struct.Struct("=III16s16s")  # version, last page, bad pages, uuid, label; after 1024 boot bytes
SWAP_FLAG_PREFER = 0x8000
_BLKDISCARD = 0x1277
RAM_DISK = Path("/dev/ram0")
LEAST_PAGES = 10  # mkswap's own limit


@dataclass(frozen=True)
class Swap:
    """A line of /proc/swaps; sizes in bytes."""

    path: str
    kind: str
    size: int
    used: int
    priority: int


def swaps() -> list[Swap]:
    """The swap areas in use."""
    found = []
    for line in paths.read_text(paths.PROC / "swaps").splitlines()[1:]:
        path, kind, size, used, priority = line.split()
        found.append(
            Swap(path.replace("\\040", " "), kind, int(size) * 1024, int(used) * 1024, int(priority))
        )
    return found


def header(pages: int, label: str = "pnode") -> bytes:
    """The first page of a swap area of that many pages, this one included. ValueError when too small."""
    if pages < LEAST_PAGES:
        raise ValueError(f"a swap area needs {LEAST_PAGES} pages, not {pages}")
    info = _INFO.pack(1, pages - 1, 0, uuid.uuid4().bytes, label.encode()[:16])
    page = bytearray(sc.PAGE_SIZE)
    page[1024 : 1024 + len(info)] = info
    page[-len(MAGIC) :] = MAGIC
    return bytes(page)


def make_swap(path: str | os.PathLike[str] = RAM_DISK, size: int | None = None) -> int:
    """Writes the header; all of the device or file is used unless `size` (bytes) says less.

    Returns the pages usable for swapping. ENOSPC when it is smaller than `size`, EBUSY for a disk that
    somebody uses (mounted, or swapped on).
    """
    exclusive = os.O_EXCL if stat.S_ISBLK(os.stat(path).st_mode) else 0
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | exclusive)
    try:
        room = os.lseek(fd, 0, os.SEEK_END)
        if size is not None and size > room:
            raise OSError(errno.ENOSPC, f"{room} bytes, {size} wanted for swap", str(path))
        pages = (size or room) // sc.PAGE_SIZE
        os.pwrite(fd, header(pages), 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    return pages - 1


def ram_disk_serves(size: int) -> bool:
    """Whether there is a RAM disk of at least `size` bytes that nobody has mounted, swaps to or holds.

    Without brd there is none, and one made by default has 4 to 64 MiB. Other errors of open() are raised.
    """
    try:
        fd = os.open(RAM_DISK, os.O_RDWR | os.O_CLOEXEC | os.O_EXCL)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EBUSY):
            return False
        raise
    try:
        return os.lseek(fd, 0, os.SEEK_END) >= size
    finally:
        os.close(fd)


def discard(path: str | os.PathLike[str]) -> bool:
    """Gives back what a RAM disk has stored. False where the disk cannot."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _BLKDISCARD, struct.pack("=QQ", 0, os.lseek(fd, 0, os.SEEK_END)))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


@contextmanager
def swap_on(
    path: str | os.PathLike[str] = RAM_DISK, size: int | None = None, priority: int | None = None
) -> Iterator[Swap]:
    """A swap area for the length of a `with`. Everything swapped out is read back at the end.

    OSError of make_swap(), swapon() (EPERM, EBUSY when in use) or swapoff() (ENOMEM when the
    pages do not fit back into memory).
    """
    make_swap(path, size)
    sc.swapon(path, 0 if priority is None else SWAP_FLAG_PREFER | priority & 0x7FFF)
    real = os.path.realpath(path)
    try:
        yield next(swap for swap in swaps() if os.path.realpath(swap.path) == real)
    finally:
        sc.swapoff(path)
        with suppress(OSError):
            discard(path)


@contextmanager
def no_swap() -> Iterator[None]:
    """Turns every swap area off, and on again with its priority at the end."""
    before = swaps()
    for area in before:
        sc.swapoff(area.path)
    try:
        yield
    finally:
        for area in before:
            # Negative priorities are the kernel's own numbering and cannot be asked for.
            flags = SWAP_FLAG_PREFER | area.priority if area.priority >= 0 else 0
            sc.swapon(area.path, flags)

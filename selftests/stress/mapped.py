# SPDX-License-Identifier: GPL-2.0-only
"""A look at the page tables of all tasks: who maps a frame of a private node.

The owner that a frame has says nothing of an entry that was not taken away when the frame got another one.
"""

import sys
from array import array
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from helpers import paths
from helpers.memory import PAGE_SIZE
from helpers.residency import PFN_MASK, PRESENT
from selftests.stress.actor import private_frames

__all__ = ["foreign"]

#: Base pages of a mapping that is too large to be looked at: 4 GiB of page tables take a second, and a live
#: machine has tasks with terabytes of which nothing is mapped.
LARGEST = 1 << 20
#: Bits of a frame number in the byte that is looked at first, see _may_be.
_SHIFT = 16


def foreign(group: Path) -> list[str]:
    """Pages of tasks outside of this cgroup that are mapped to memory of private nodes, one line a task."""
    blocks = private_frames()
    if not blocks:
        return []
    wrong, members = [], _members(group)
    for pid in psutil.pids():
        if pid in members:
            continue
        with suppress(OSError):  # it has ended, or is a thread of the kernel
            found = list(_on(pid, blocks))
            if found and pid not in _members(group):
                name = paths.read_text(paths.PROC / str(pid) / "comm")
                shown = ", ".join(f"page {addr:#x} to frame {pfn:#x}" for addr, pfn in found[:4])
                wrong.append(f"process {pid} ({name}) has no memory on a private node, and maps {shown}")
    return wrong


def _members(group: Path) -> set[int]:
    return {int(word) for word in paths.read_text(group / "cgroup.procs").split()}


def _on(pid: int, blocks: Collection[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(address, frame) of each page of the process that is mapped into one of these [first, behind)."""
    keys = {part & 0xFF for first, end in blocks for part in range(first >> _SHIFT, (end - 1 >> _SHIFT) + 1)}
    with open(paths.PROC / str(pid) / "pagemap", "rb", buffering=0) as file:
        for start, end in _ranges(paths.read_text(paths.PROC / str(pid) / "maps")):
            file.seek(start * 8)
            data = file.read((end - start) * 8)
            if _may_be(data, keys):
                for index, entry in enumerate(_words(data)):
                    pfn = entry & PFN_MASK
                    if entry & PRESENT and any(first <= pfn < last for first, last in blocks):
                        yield (start + index) * PAGE_SIZE, pfn


def _ranges(maps: str) -> Iterator[tuple[int, int]]:
    """[first page, behind) of mappings, neighbours taken together: each read costs an emulated CPU more than
    what it reads. Without those of files that cannot be written: no actor has such memory."""
    start = end = 0
    for line in maps.splitlines():
        span, mode, _offset, _device, inode = line.split(maxsplit=5)[:5]
        first, behind = (int(text, 16) // PAGE_SIZE for text in span.split("-"))
        if behind - first > LARGEST or first * PAGE_SIZE >= 1 << 63 or (inode != "0" and "w" not in mode):
            continue
        if first != end or behind - start > LARGEST:
            if end > start:
                yield start, end
            start = first
        end = behind
    if end > start:
        yield start, end


def _may_be(data: bytes, keys: set[int]) -> bool:
    """Whether an entry can be of such a frame, by one byte of each: an emulated CPU takes seconds for all
    entries of an interpreter one by one. Entries are little-endian words in the machine's order."""
    place = _SHIFT // 8 if sys.byteorder == "little" else 7 - _SHIFT // 8
    return not keys.isdisjoint(data[place::8])


def _words(data: bytes) -> "array[int]":
    return array("Q", data)

# SPDX-License-Identifier: GPL-2.0-only
"""Ways by which the last reference to a folio goes, and what free_folio was told of it."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from fixtures.private import PrivateNode
from fixtures.settling import drain
from helpers import syscalls
from helpers.constants import MADV_DONTNEED, MADV_REMOVE, MPOL_MF_MOVE
from helpers.memory import PAGE_SIZE, Mapping
from helpers.residency import residency
from helpers.testmod import Callback, Callbacks, Ops

OPEN = Ops.MIGRATION | Ops.MEMPOLICY
#: All that migration needs, and free_folio.
CALLBACKS = Callbacks.MIGRATE_TO | Callbacks.FOLIO_MIGRATE | Callbacks.FREE_FOLIO
PAGES = 16
#: Base pages of a PMD-sized huge page (a page table has entries of 8 bytes).
HUGE = PAGE_SIZE // 8
KINDS = {"base": {"pages": PAGES}, "huge": {"pages": HUGE, "thp": True}}


def freed(node: PrivateNode) -> Counter[int]:
    """Calls of free_folio by frame, since the last look or reset.

    What is new is on a CPU's list for a while, with a reference held (mm/swap.c, lru_add): who has moved to
    another CPU since and unmaps it does not free it yet.
    """
    drain()
    return Counter(event.pfn for event in node.events(Callback.FREE_FOLIO))


def heads(memory: Mapping) -> Counter[int]:
    """First frames of the folios of memory that is all there, each once."""
    frames = residency(memory).frames
    huge = memory.smaps().get("AnonHugePages") == memory.nbytes
    return Counter(frame for frame in frames[:: HUGE if huge else 1] if frame is not None)


def move_all(memory: Mapping, nid: int) -> None:
    """move_pages() of the whole; AssertionError unless all of it is there then."""
    step = HUGE if memory.smaps().get("AnonHugePages") == memory.nbytes else 1
    addrs = memory.addrs(step=step)
    syscalls.move_pages(0, addrs, [nid] * len(addrs), MPOL_MF_MOVE)
    where = residency(memory)
    assert where.all_on(nid), f"moved to node {nid}: {where}"


ENDS: dict[str, Callable[[Mapping], object]] = {
    "munmap": lambda memory: memory.close(),
    "dontneed": lambda memory: memory.advise(MADV_DONTNEED),
    "mmap_over": lambda memory: syscalls.mmap(
        memory.addr,
        memory.nbytes,
        syscalls.PROT_READ,
        syscalls.MAP_PRIVATE | syscalls.MAP_ANONYMOUS | syscalls.MAP_FIXED,
    ),
}


#: Of one page, by its index.
PAGE_ENDS: dict[str, Callable[[Mapping, int], None]] = {
    "munmap": lambda memory, index: memory.unmap(index, 1),
    "dontneed": lambda memory, index: memory.advise(MADV_DONTNEED, first=index, count=1),
}


def leaves_neighbour(frames: Sequence[int | None]) -> list[int]:
    """One frame of each pair (what the buddy allocator would join to a block of two) that is here whole, now
    the lower and now the upper one. AssertionError: there is no such pair."""
    pairs = sorted(frame for frame in frames if frame is not None and not frame % 2 and frame + 1 in frames)
    assert pairs, f"no two neighbours among the frames {frames}"
    return [frame + number % 2 for number, frame in enumerate(pairs)]


def truncate(memory: Mapping, fd: int) -> None:
    os.ftruncate(fd, 0)


def punch(memory: Mapping, fd: int) -> None:
    memory.advise(MADV_REMOVE)


def unlink(memory: Mapping, fd: int) -> None:
    memory.close()
    os.close(fd)


FILE_ENDS = {"truncate": truncate, "punch": punch, "last_close": unlink}


def bound(pages: int, nid: int, **options: bool) -> Iterator[Counter[int]]:
    """For a child: memory on the node by a policy, its folios yielded; the child ends with it."""
    memory = Mapping.anonymous(pages, **options)
    memory.bind(syscalls.Mode.BIND, [nid])
    memory.touch()
    yield heads(memory)

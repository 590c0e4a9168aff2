# SPDX-License-Identifier: GPL-2.0-only
"""The oracle: on which node a page is, told by its page frame.

/proc/<pid>/pagemap gives the frame, the memory block holding the frame has a link to its node.
numa_maps, move_pages() and get_mempolicy(MPOL_F_NODE) are under test themselves and some
kernels hide private pages from them, so they are never asked here.
Source: Documentation/admin-guide/mm/pagemap.rst. Needs CAP_SYS_ADMIN.
"""

import errno
import os
import sys
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from helpers import nodes, paths
from helpers.memory import thp_size
from helpers.syscalls import PAGE_SIZE

PRESENT = 1 << 63
SWAPPED = 1 << 62
FILE_OR_SHARED = 1 << 61
EXCLUSIVE = 1 << 56
SOFT_DIRTY = 1 << 55
PFN_MASK = (1 << 55) - 1

ZERO_PAGE_FLAG = 1 << 24  # KPF_ZERO_PAGE of /proc/kpageflags


class HasPages(Protocol):
    """A Mapping, or anything with an address and a number of base pages."""

    addr: int
    pages: int


def pagemap(addr: int, npages: int, pid: int | None = None) -> "array[int]":
    """Raw 64-bit entries of /proc/<pid>/pagemap; addresses beyond user space give fewer."""
    entries = array("Q")
    path = paths.PROC / ("self" if pid is None else str(pid)) / "pagemap"
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        offset, left = addr // PAGE_SIZE * 8, npages * 8
        while left:
            data = os.pread(fd, min(left, 1 << 20), offset)
            if not data:
                break
            entries.frombytes(data)
            offset += len(data)
            left -= len(data)
    finally:
        os.close(fd)
    if sys.byteorder != "little":
        entries.byteswap()
    return entries


def _frame(entry: int) -> int | None:
    if not entry & PRESENT:
        return None
    pfn = entry & PFN_MASK
    if pfn == 0:
        raise PermissionError(
            errno.EPERM, "pagemap hides page frames (all 0): residency needs CAP_SYS_ADMIN, run as root"
        )
    return pfn


def frames(addr: int, npages: int, pid: int | None = None) -> list[int | None]:
    """Frame of each page, None where no page is present (never touched, swapped out, unmapped).

    PermissionError when the kernel hides frames from this process.
    """
    found = [_frame(entry) for entry in pagemap(addr, npages, pid)]
    return found + [None] * (npages - len(found))


class FrameMap:
    """Frame to node, remembering the memory blocks it has looked at.

    Make one for one answer and drop it: blocks come, go and change node with hotplug.
    """

    def __init__(self) -> None:
        self._pages = nodes.block_pages()
        self._known: dict[int, int] = {}  # block index -> node
        self._split: dict[int, list[nodes.Zone]] = {}

    def node(self, pfn: int) -> int:
        """LookupError when no memory block holds the frame: it is device or firmware memory."""
        index = pfn // self._pages
        node = self._known.get(index)
        if node is not None:
            return node
        if index in self._split:
            return self._node_in_split_block(pfn, index)
        block = nodes.MemoryBlock(index, self._pages * PAGE_SIZE)
        try:
            nids = block.nids
        except FileNotFoundError:
            raise LookupError(f"frame {pfn:#x}: no memory block {block.path.name}") from None
        if len(nids) == 1:
            self._known[index] = nids[0]
            return nids[0]
        self._split[index] = [zone for zone in nodes.all_zones() if zone.nid in nids]
        return self._node_in_split_block(pfn, index)

    def _node_in_split_block(self, pfn: int, index: int) -> int:
        """Firmware may end a node inside a block; then only zone extents tell, if they do not overlap."""
        candidates = {zone.nid for zone in self._split[index] if zone.spans(pfn)}
        if len(candidates) != 1:
            raise LookupError(f"frame {pfn:#x}: memory{index} belongs to several nodes {sorted(candidates)}")
        return candidates.pop()


def node_of_frame(pfn: int) -> int:
    """Node of a page frame by its memory block. LookupError when no block holds it."""
    return FrameMap().node(pfn)


@dataclass(frozen=True)
class Residency:
    """Where the pages of a range are. str(): "node0: 12 pages, node1: 4 pages, absent: 1"."""

    nodes: list[int | None]  # by page; None: no page present
    frames: list[int | None]
    swapped: int = 0  # how many of the absent are swapped out (or under migration)

    @property
    def counts(self) -> Counter[int]:
        """Pages by node, present pages only."""
        return Counter(node for node in self.nodes if node is not None)

    @property
    def absent(self) -> int:
        return sum(1 for node in self.nodes if node is None)

    @property
    def present(self) -> int:
        return len(self.nodes) - self.absent

    def all_on(self, nid: int) -> bool:
        """Every page of the range is present and on this node; False for an empty range."""
        return bool(self.nodes) and all(node == nid for node in self.nodes)

    def any_on(self, nid: int) -> bool:
        return nid in self.counts

    def elsewhere(self, *nids: int) -> list[int]:
        """Indexes of the present pages that are on none of these nodes."""
        return [index for index, node in enumerate(self.nodes) if node is not None and node not in nids]

    def huge_runs(self, size: int | None = None) -> int:
        """How many naturally aligned, physically contiguous runs of `size` bytes (default: a THP).

        Counted from the first page of the range on, so give it a range that starts aligned. This
        is layout, not mapping: whether a PMD maps it, smaps or the module tells.
        """
        per = (size or thp_size()) // PAGE_SIZE
        runs = 0
        for first in range(0, len(self.frames) - per + 1, per):
            base = self.frames[first]
            if base is not None and base % per == 0:
                runs += self.frames[first : first + per] == list(range(base, base + per))
        return runs

    def __str__(self) -> str:
        parts = [f"node{node}: {count} pages" for node, count in sorted(self.counts.items())]
        if self.absent:
            parts.append(f"absent: {self.absent}" + (f" ({self.swapped} swapped)" if self.swapped else ""))
        return ", ".join(parts) or "no pages"


def residency_of(addr: int, npages: int, pid: int | None = None) -> Residency:
    """Residency of a range of this or another process."""
    entries = pagemap(addr, npages, pid)
    found = [_frame(entry) for entry in entries]
    found += [None] * (npages - len(found))
    swapped = sum(1 for entry in entries if entry & SWAPPED and not entry & PRESENT)
    blocks = FrameMap() if any(pfn is not None for pfn in found) else None
    where = [None if pfn is None or blocks is None else blocks.node(pfn) for pfn in found]
    return Residency(where, found, swapped)


def residency(mapping: HasPages, pid: int | None = None) -> Residency:
    """Residency of a Mapping: every base page by its frame, whatever size of page maps it."""
    return residency_of(mapping.addr, mapping.pages, pid)


def is_zero_page(pfn: int) -> bool:
    """Is the frame the shared (huge) zero page, by /proc/kpageflags. Such a page has no policy."""
    with open(paths.PROC / "kpageflags", "rb", buffering=0) as flags:
        data = os.pread(flags.fileno(), 8, pfn * 8)
    return bool(int.from_bytes(data, "little") & ZERO_PAGE_FLAG)

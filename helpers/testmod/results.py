# SPDX-License-Identifier: GPL-2.0-only
"""Results of the test module's calls: frozen values, detached from the device."""

from collections import Counter
from dataclasses import dataclass, fields

from helpers.testmod.constants import (
    Callback,
    Feature,
    HotplugAction,
    Level,
    NodeFlags,
    NodeStates,
    Notify,
    PageFlags,
    PteFlags,
)


@dataclass(frozen=True)
class Gfp:
    """Values of gfp flags on the kernel under test, by name; 0 where it has no such flag."""

    PRIVATE: int
    THISNODE: int
    MOVABLE: int
    HIGHUSER_MOVABLE: int
    KERNEL: int
    ATOMIC: int
    NOWAIT: int
    ZERO: int
    NOWARN: int
    NORETRY: int
    HARDWALL: int
    MEMALLOC: int
    NOMEMALLOC: int
    COMP: int
    ACCOUNT: int
    HIGH: int
    RETRY_MAYFAIL: int
    DIRECT_RECLAIM: int
    KSWAPD_RECLAIM: int
    RECLAIMABLE: int
    MASK: int  # every bit that exists

    @property
    def GFP_PRIVATE(self) -> int:
        """__GFP_PRIVATE | __GFP_THISNODE: that node or nothing."""
        return self.PRIVATE | self.THISNODE

    def names(self, value: int) -> str:
        """Readable form of a mask, for messages: single-bit names, the rest in hex."""
        parts = []
        for field in fields(self):
            bit = getattr(self, field.name)
            if bit and bit & (bit - 1) == 0 and value & bit:
                parts.append(field.name)
                value &= ~bit
        if value:
            parts.append(f"{value:#x}")
        return "|".join(parts) or "0"


@dataclass(frozen=True)
class Handshake:
    """What the module and the kernel are."""

    abi: int
    dialect: str
    page_size: int
    nr_node_ids: int
    max_order: int
    memory_block_size: int
    features: Feature


@dataclass(frozen=True)
class ZoneRef:
    """An element of a zone list: node and zone index."""

    nid: int
    zone: int


@dataclass(frozen=True)
class Zone:
    """A zone of a node, counts in pages. `free` has not the pages on per-CPU lists, `pcp` has."""

    index: int
    name: str
    start_pfn: int
    spanned: int
    present: int
    managed: int
    free: int
    pcp: int


@dataclass(frozen=True)
class NodeState:
    """A node as the kernel sees it."""

    nid: int
    states: NodeStates
    flags: NodeFlags
    ops_flags: int
    has_flags: int
    ranges: int
    zones: tuple[Zone, ...]

    @property
    def free_pages(self) -> int:
        """Free pages incl. per-CPU lists."""
        return sum(zone.free + zone.pcp for zone in self.zones)

    @property
    def managed_pages(self) -> int:
        return sum(zone.managed for zone in self.zones)

    def zone(self, name: str) -> Zone | None:
        """The zone of that name ("Movable"), None when the node has none."""
        return next((zone for zone in self.zones if zone.name == name), None)


@dataclass(frozen=True)
class PageReport:
    """One page of a process; nid and pfn are None when nothing is present there."""

    nid: int | None
    pfn: int | None
    order: int
    flags: PageFlags
    pte: PteFlags
    refcount: int
    mapcount: int
    zone: int
    level: Level
    pt_nid: int | None

    @property
    def present(self) -> bool:
        return bool(self.pte & PteFlags.PRESENT)

    @property
    def writable(self) -> bool:
        return bool(self.pte & PteFlags.WRITE)


@dataclass(frozen=True)
class Event:
    """One call of a callback with its arguments, see struct pnt_event; time in ns of CLOCK_MONOTONIC."""

    seq: int
    time: int
    callback: Callback
    nid: int
    pfn: int
    pfn2: int
    addr: int
    order: int
    mode: int
    reason: int
    count: int
    result: int
    pid: int
    level: Level


@dataclass(frozen=True)
class Events:
    """Events taken from a node's ring, oldest first."""

    events: tuple[Event, ...]
    left: int
    lost: int

    def of(self, callback: Callback) -> list[Event]:
        return [event for event in self.events if event.callback == callback]


@dataclass(frozen=True)
class Counters:
    """Calls of each callback, folios and base pages handed over in them, calls that failed."""

    calls: Counter[Callback]
    folios: Counter[Callback]
    pages: Counter[Callback]
    failed: Counter[Callback]
    kept: int
    keep_failed: int
    lost: int


@dataclass(frozen=True)
class Kept:
    """Folios held back by free_folio: their frames before the call, released by it, left after it."""

    pfns: tuple[int, ...]
    released: int
    kept: int


@dataclass(frozen=True)
class Scan:
    """What is in the pages of an allocation: pages looked at, not all zero, with a word that matches."""

    pages: int
    nonzero: int
    matching: int


@dataclass(frozen=True)
class Pin:
    """A successful pin, possibly of fewer pages than asked."""

    id: int
    pinned: int
    pfns: tuple[int, ...]
    nids: tuple[int, ...]


@dataclass(frozen=True)
class NotifierCounts:
    """What an mmu notifier saw; times in ns of CLOCK_MONOTONIC, 0 = never."""

    events: Counter[Notify]
    overlaps: Counter[Notify]
    ends: int
    released: bool
    last_start: int
    last_end: int


@dataclass(frozen=True)
class HotplugEvent:
    """What a notifier of memory hotplug was told; nid: the node whose state changes by it, or None."""

    seq: int
    action: HotplugAction
    nid: int | None
    start_pfn: int
    nr_pages: int


@dataclass(frozen=True)
class Held:
    """Resources held now; pins and pages in base pages, holds in folios."""

    allocations: int
    alloc_pages: int
    pins: int
    holds: int
    notifiers: int
    device_pages: int
    ranges: int
    registered: int
    kept: int


@dataclass(frozen=True)
class Totals:
    """Held by this descriptor and by the whole module; `stray` callbacks must be 0."""

    mine: Held
    all: Held
    orphans: int
    files: int
    stray: int

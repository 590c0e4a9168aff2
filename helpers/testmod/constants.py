# SPDX-License-Identifier: GPL-2.0-only
"""Constants of the test module's ABI as Python types.

The values repeat pnode_test.h, so that editors and type checkers know them; a unit test compares the two.
"""

from enum import IntEnum, IntFlag


class Ops(IntFlag):
    """NP_OPS_*: services a driver opens on its node (spec: service flags, v4 12/27 to 20/27)."""

    NONE = 0
    MIGRATION = 1 << 0
    MEMPOLICY = 1 << 1
    DEMOTION = 1 << 2
    PROTECT_WRITE = 1 << 3
    RECLAIM = 1 << 4
    NUMA_BALANCING = 1 << 5
    COMPACTION = 1 << 6
    LONGTERM_PIN = 1 << 7


NP_OPS_MASK = Ops(0xFF)


class Callback(IntEnum):
    """A callback of struct node_private_ops. FLUSH: that of CRAM; MIGRATE_FOLIO only in events: one folio of
    a migrate_to list.
    """

    FREE_FOLIO = 0
    FOLIO_SPLIT = 1
    MIGRATE_TO = 2
    FOLIO_MIGRATE = 3
    HANDLE_FAULT = 4
    RECLAIM_POLICY = 5
    MEMORY_FAILURE = 6
    FLUSH = 7
    MIGRATE_FOLIO = 8


class Callbacks(IntFlag):
    """Which callbacks an ops structure has."""

    NONE = 0
    FREE_FOLIO = 1 << 0
    FOLIO_SPLIT = 1 << 1
    MIGRATE_TO = 1 << 2
    FOLIO_MIGRATE = 1 << 3
    HANDLE_FAULT = 1 << 4
    RECLAIM_POLICY = 1 << 5
    MEMORY_FAILURE = 1 << 6
    ALL = 0x7F


class Kind(IntEnum):
    """What a range is plugged as."""

    PRIVATE = 0
    ORDINARY = 1


class OnlineType(IntEnum):
    """MMOP_*: zone that a plugged range is onlined to."""

    OFFLINE = 0
    ONLINE = 1
    KERNEL = 2
    MOVABLE = 3


class Object(IntEnum):
    """Which struct node_private a raw call is about, beside the descriptor's own 0 to 3."""

    NULL = -1
    NODE = -2


class Entry(IntEnum):
    """Allocation entry points of the kernel, see enum pnt_entry."""

    ALLOC_PAGES_NODE = 0
    ALLOC_PAGES_NODEMASK = 1
    FOLIO_ALLOC_NODE = 2
    FOLIO_ALLOC_TASK = 3
    BULK = 4
    EXACT_NID = 5
    KMALLOC_NODE = 6
    KMEM_CACHE_NODE = 7
    KVMALLOC_NODE = 8
    VMALLOC_NODE = 9
    CONTIG_PAGES = 10
    CONTIG_RANGE = 11
    PERCPU = 12
    KSTACK = 13


class Context(IntEnum):
    """Where the allocation runs; SOFTIRQ and HARDIRQ need a gfp without direct reclaim (EINVAL)."""

    TASK = 0
    SOFTIRQ = 1
    HARDIRQ = 2
    MEMALLOC = 3


class FreeHow(IntEnum):
    """How pages go back. AUTO: folio_put() for folios, else what belongs to the entry."""

    AUTO = 0
    PUT = 1
    BATCH = 2
    RAW = 3


class ZoneList(IntEnum):
    """Which zone list of a node."""

    FALLBACK = 0
    NOFALLBACK = 1


class NodeStates(IntFlag):
    """Node states by the ABI's numbers, not the kernel's."""

    NONE = 0
    POSSIBLE = 1 << 0
    ONLINE = 1 << 1
    NORMAL_MEMORY = 1 << 2
    HIGH_MEMORY = 1 << 3
    MEMORY = 1 << 4
    CPU = 1 << 5
    GENERIC_INITIATOR = 1 << 6
    MEMORY_PRIVATE = 1 << 7


class NodeFlags(IntFlag):
    """What else is known about a node; BUSY: an unplug of a range of it runs."""

    NONE = 0
    PRIVATE = 1 << 0
    REGISTERED = 1 << 1
    HAS_OPS = 1 << 2
    KSWAPD = 1 << 3
    KCOMPACTD = 1 << 4
    BUSY = 1 << 5
    BLOCKED = 1 << 6


class Level(IntEnum):
    """Page-table level that maps a page."""

    NONE = 0
    PTE = 1
    PMD = 2
    PUD = 3


class PteFlags(IntFlag):
    """State of a page-table entry."""

    NONE = 0
    PRESENT = 1 << 0
    WRITE = 1 << 1
    DIRTY = 1 << 2
    YOUNG = 1 << 3
    PROTNONE = 1 << 4
    SWAP = 1 << 5
    SPECIAL = 1 << 6


class PageFlags(IntFlag):
    """Flags of a folio (HEAD, HWPOISON, ANON_EXCLUSIVE, PRIVATE_PAGE: of the page itself)."""

    NONE = 0
    LRU = 1 << 0
    ACTIVE = 1 << 1
    UNEVICTABLE = 1 << 2
    MLOCKED = 1 << 3
    REFERENCED = 1 << 4
    DIRTY = 1 << 5
    UPTODATE = 1 << 6
    SWAPBACKED = 1 << 7
    SWAPCACHE = 1 << 8
    LOCKED = 1 << 9
    WRITEBACK = 1 << 10
    LARGE = 1 << 11
    HEAD = 1 << 12
    ANON = 1 << 13
    KSM = 1 << 14
    RESERVED = 1 << 15
    HWPOISON = 1 << 16
    ANON_EXCLUSIVE = 1 << 17
    HUGETLB = 1 << 18
    ZERO_PAGE = 1 << 19
    PRIVATE_NODE = 1 << 20
    MAYBE_PINNED = 1 << 21
    ZONE_DEVICE = 1 << 22
    PRIVATE_PAGE = 1 << 23


class Mode(IntEnum):
    """What a callback does next (`TestModule.program`), see enum pnt_mode."""

    REAL = 0
    ERRNO = 1
    PARTIAL = 2
    DELAY = 3
    KEEP = 4
    RETRY = 5
    POLICY = 6
    RESULT = 7


class Policy(IntFlag):
    """Value of Mode.POLICY: what reclaim_policy sets, and tries to clear (NO_*)."""

    NONE = 0
    SWAP = 1 << 0
    WRITEPAGE = 1 << 1
    WATERMARKS = 1 << 2
    ACTIVE = 1 << 3
    NO_SWAP = 1 << 16
    NO_WRITEPAGE = 1 << 17
    NO_WATERMARKS = 1 << 18


class Owner(IntEnum):
    """Whom a registration with CRAM names as the owner; NODE: the owner of the struct node_private."""

    NODE = 0
    NULL = 1
    STRANGER = 2


class Flush(IntEnum):
    """What CRAM's flush callback returns."""

    DONE = 0
    KEPT = 1
    FULL = 2


class Notify(IntEnum):
    """Events of an mmu notifier by the ABI's numbers."""

    UNMAP = 0
    CLEAR = 1
    PROTECTION_VMA = 2
    PROTECTION_PAGE = 3
    SOFT_DIRTY = 4
    RELEASE = 5
    MIGRATE = 6
    EXCLUSIVE = 7
    OTHER = 8


class HotplugAction(IntEnum):
    """Actions of the memory hotplug notifiers by the ABI's numbers."""

    GOING_ONLINE = 0
    CANCEL_ONLINE = 1
    ONLINE = 2
    GOING_OFFLINE = 3
    CANCEL_OFFLINE = 4
    OFFLINE = 5
    FIRST_MEMORY = 6
    LAST_MEMORY = 7


class Migrated(IntFlag):
    """How folio_migrate found the two folios."""

    NONE = 0
    SRC_LOCKED = 1 << 0
    DST_LOCKED = 1 << 1
    DST_MAPPED = 1 << 2
    COPIED = 1 << 3


class Feature(IntFlag):
    """Optional entry points of this kernel that the module could reach."""

    NONE = 0
    EXACT_NID = 1 << 0
    CONTIG_PAGES = 1 << 1
    CONTIG_RANGE = 1 << 2
    VMALLOC_GFP = 1 << 3
    LRU_DRAIN = 1 << 4
    ORDINARY_ONLINE = 1 << 5
    PROMOTE = 1 << 6
    NOTIFIER = 1 << 7
    PGDAT_PRIVATE = 1 << 8
    REFRESH_DEMOTION = 1 << 9
    ADISTANCE = 1 << 10
    CRAM = 1 << 11
    KSWAPD = 1 << 12
    BREAK = 1 << 13

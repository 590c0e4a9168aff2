# SPDX-License-Identifier: GPL-2.0-only
"""NUMA nodes, their zones and memory blocks, as sysfs and /proc/zoneinfo tell it.

Sources: Documentation/ABI/stable/sysfs-devices-node, Documentation/admin-guide/mm/memory-hotplug.rst,
mm/vmstat.c. Sizes are bytes unless a name says pages.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from helpers import paths
from helpers.nodemask import NodeMask
from helpers.syscalls import PAGE_SIZE

_NODE_DIR = re.compile(r"node(\d+)\Z")
_BLOCK_DIR = re.compile(r"memory(\d+)\Z")
_ZONE_LINE = re.compile(r"Node (\d+), zone\s+(\S+)")
ONLINE_KINDS = ("online", "online_kernel", "online_movable")


def _nodes_dir() -> Path:
    return paths.SYS / "devices/system/node"


def _blocks_dir() -> Path:
    return paths.SYS / "devices/system/memory"


def node_list(name: str) -> NodeMask:
    """/sys/devices/system/node/<name>: "online", "possible", "has_memory", "has_private_memory", ...

    FileNotFoundError where this kernel has no such list: an absent file is never an empty list.
    """
    return NodeMask.parse(paths.read_text(_nodes_dir() / name))


def has_private_memory() -> NodeMask | None:
    """The private nodes, or None on a kernel that does not know them."""
    try:
        return node_list("has_private_memory")
    except FileNotFoundError:
        return None


def refresh_vmstat() -> bool:
    """Folds the per-CPU differences into the zone counters; False where that is not allowed.

    Without it nr_free_pages may be off by the "vm stats threshold" of each CPU. Drains no list.
    Source: Documentation/admin-guide/sysctl/vm.rst, stat_refresh (root only, SMP only).
    """
    try:
        paths.write_text(paths.PROC / "sys/vm/stat_refresh", "1")
    except OSError:
        return False
    return True


# --- zones -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Watermarks:
    """Pages."""

    min: int
    low: int
    high: int
    promo: int = 0
    boost: int = 0


@dataclass(frozen=True)
class Zone:
    """One zone of one node; all counts in pages."""

    nid: int
    name: str
    free: int
    present: int
    managed: int
    spanned: int
    start_pfn: int
    watermarks: Watermarks
    pcp: tuple[int, ...] = ()  # free pages on each online CPU's list

    @property
    def all_free(self) -> int:
        """Pages nobody uses: in the buddy lists and on the per-CPU lists."""
        return self.free + sum(self.pcp)

    def spans(self, pfn: int) -> bool:
        """The zone's extent covers the frame. It may have holes, and zones may overlap."""
        return self.start_pfn <= pfn < self.start_pfn + self.spanned


def parse_zoneinfo(text: str) -> Iterator[Zone]:
    """Zones of /proc/zoneinfo, empty ones included."""
    head: tuple[int, str] | None = None
    values: dict[str, int] = {}
    pcp: list[int] = []
    in_pagesets = False

    def done() -> Iterator[Zone]:
        if head is None:
            return
        get = values.get
        yield Zone(
            nid=head[0],
            name=head[1],
            free=get("free", 0),
            present=get("present", 0),
            managed=get("managed", 0),
            spanned=get("spanned", 0),
            start_pfn=get("start_pfn:", 0),
            watermarks=Watermarks(
                get("min", 0), get("low", 0), get("high", 0), get("promo", 0), get("boost", 0)
            ),
            pcp=tuple(pcp),
        )

    for line in text.splitlines():
        match = _ZONE_LINE.match(line)
        if match:
            yield from done()
            head, values, pcp, in_pagesets = (int(match[1]), match[2]), {}, [], False
            continue
        words = line.split()
        if words[:1] == ["pagesets"]:
            in_pagesets = True
        elif words[:2] == ["pages", "free"]:
            values["free"] = int(words[2])
        elif len(words) == 2 and words[0] == "count:" and in_pagesets:
            pcp.append(int(words[1]))
        elif len(words) == 2 and (not in_pagesets or words[0] == "start_pfn:") and words[1].isdigit():
            # The first of a name wins: per-zone statistics further down repeat none of ours.
            values.setdefault(words[0], int(words[1]))
    yield from done()


def all_zones() -> list[Zone]:
    """Every zone of every online node."""
    return list(parse_zoneinfo(paths.read_text(paths.PROC / "zoneinfo")))


# --- nodes -----------------------------------------------------------------------------------


def _counters(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in paths.read_text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


@dataclass(frozen=True, order=True)
class Node:
    """A node by id; nothing is read before it is asked for, so the node may be offline."""

    nid: int

    @property
    def path(self) -> Path:
        return _nodes_dir() / f"node{self.nid}"

    def exists(self) -> bool:
        """Has it a sysfs directory, that is: is it online."""
        return self.path.is_dir()

    def meminfo(self) -> dict[str, int]:
        """nodeN/meminfo: bytes by field ("MemTotal", "MemFree", "FilePages", ...); HugePages_* are counts."""
        fields: dict[str, int] = {}
        for line in paths.read_text(self.path / "meminfo").splitlines():
            words = line.split()  # Node 0 MemTotal:  1014092 kB
            if len(words) >= 4 and words[0] == "Node":
                unit = 1024 if words[4:5] == ["kB"] else 1
                fields[words[2].rstrip(":")] = int(words[3]) * unit
        return fields

    def vmstat(self) -> dict[str, int]:
        """nodeN/vmstat: mostly pages and events."""
        return _counters(self.path / "vmstat")

    def numastat(self) -> dict[str, int]:
        """nodeN/numastat: numa_hit, numa_miss, numa_foreign, interleave_hit, local_node, other_node."""
        return _counters(self.path / "numastat")

    def distances(self) -> dict[int, int]:
        """Distance to each online node, itself included."""
        values = [int(word) for word in paths.read_text(self.path / "distance").split()]
        online = list(node_list("online"))
        if len(values) != len(online):
            raise ValueError(f"{self.path}/distance has {len(values)} numbers for online nodes {online}")
        return dict(zip(online, values, strict=True))

    def cpus(self) -> list[int]:
        """CPUs of the node; the cpulist format is that of node lists."""
        return list(NodeMask.parse(paths.read_text(self.path / "cpulist")))

    def zones(self) -> list[Zone]:
        """Zones of this node in /proc/zoneinfo, empty ones included; [] when the node is offline."""
        return [zone for zone in all_zones() if zone.nid == self.nid]

    def zone(self, name: str) -> Zone:
        """The zone of that name ("Normal", "Movable", ...). KeyError without it."""
        for zone in self.zones():
            if zone.name == name:
                return zone
        raise KeyError(f"node {self.nid} has no zone {name}")

    def free_pages(self, *, refresh: bool = True) -> int:
        """Pages nobody uses, per-CPU lists included; 0 when the node is offline.

        refresh folds the per-CPU counter differences first, where allowed; without it the number
        may be off by some dozens of pages per CPU. The two parts are read while the system runs:
        compare under wait_until(), not at once.
        """
        if refresh:
            refresh_vmstat()
        return sum(zone.all_free for zone in self.zones())

    def managed_pages(self) -> int:
        return sum(zone.managed for zone in self.zones())

    def memory_blocks(self) -> "list[MemoryBlock]":
        """Blocks with a link to this node, ascending, offline ones included."""
        return [block for block in memory_blocks() if self.nid in block.nids]

    def hugepages(self, size: int | None = None) -> Path:
        """Directory of the node's hugetlb pool (nr_hugepages, free_hugepages, surplus_hugepages)."""
        size = size or default_hugepage_size()
        return self.path / f"hugepages/hugepages-{size // 1024}kB"

    def kernel_threads(self) -> set[str]:
        """Which of kswapdN and kcompactdN run."""
        return {f"kswapd{self.nid}", f"kcompactd{self.nid}"} & kernel_thread_names()

    def __str__(self) -> str:
        return f"node {self.nid}"


def default_hugepage_size() -> int:
    """Bytes of a default hugetlb page (Hugepagesize of /proc/meminfo)."""
    return meminfo()["Hugepagesize"]


def meminfo() -> dict[str, int]:
    """/proc/meminfo: bytes by field; HugePages_* are counts."""
    fields: dict[str, int] = {}
    for line in paths.read_text(paths.PROC / "meminfo").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words:
            fields[name] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    return fields


def vmstat() -> dict[str, int]:
    """/proc/vmstat."""
    return _counters(paths.PROC / "vmstat")


def kernel_thread_names() -> set[str]:
    """comm of the kernel's threads: the children of kthreadd, process 2."""
    names: set[str] = set()
    root = str(paths.PROC)
    for entry in os.listdir(root):
        if entry.isdigit():
            # One read each and no Path objects: an emulated CPU feels it.
            with suppress(OSError), open(f"{root}/{entry}/stat", "rb") as file:  # OSError: gone in between
                head, _, rest = file.read().rpartition(b")")
                if rest.split()[1:2] == [b"2"]:
                    names.add(head.partition(b"(")[2].decode(errors="replace"))
    return names


# --- memory blocks ---------------------------------------------------------------------------


def block_size() -> int:
    """Bytes of a memory block (block_size_bytes is hexadecimal without 0x)."""
    return int(paths.read_text(_blocks_dir() / "block_size_bytes"), 16)


@dataclass(frozen=True, order=True)
class MemoryBlock:
    """memory<index>: one block of physical memory, the unit of on- and offlining."""

    index: int
    size: int

    @property
    def path(self) -> Path:
        return _blocks_dir() / f"memory{self.index}"

    @property
    def start(self) -> int:
        """Physical address."""
        return self.index * self.size

    @property
    def nids(self) -> list[int]:
        """Nodes linked from the block; more than one only where firmware split a block."""
        found = (_NODE_DIR.match(name) for name in os.listdir(self.path))
        return sorted(int(match[1]) for match in found if match)

    @property
    def nid(self) -> int:
        """The block's only node. LookupError when it has none or several."""
        nids = self.nids
        if len(nids) != 1:
            raise LookupError(f"{self.path} is linked to nodes {nids}, not to exactly one")
        return nids[0]

    @property
    def state(self) -> str:
        """online, offline or going-offline."""
        return paths.read_text(self.path / "state")

    @property
    def valid_zones(self) -> list[str]:
        """Zones it could be onlined to, or the zone it is in."""
        return paths.read_text(self.path / "valid_zones").split()

    def online(self, kind: str = "online") -> None:
        """kind: online, online_kernel or online_movable; others are passed on too (EINVAL)."""
        paths.write_text(self.path / "state", kind)

    def offline(self) -> None:
        """EBUSY when a page in it cannot be moved."""
        paths.write_text(self.path / "state", "offline")


def memory_blocks() -> list[MemoryBlock]:
    """All blocks, ascending by address. [] on a kernel without memory hotplug."""
    try:
        names = os.listdir(_blocks_dir())
        size = block_size()
    except FileNotFoundError:
        return []
    found = (_BLOCK_DIR.match(name) for name in names)
    return sorted(MemoryBlock(int(match[1]), size) for match in found if match)


# --- dialect ---------------------------------------------------------------------------------


def detect_dialect() -> str:
    """Which form of the interface the kernel speaks, told from files alone.

    d1, d2, c2, b3, b2, b0, v5, v4 or "none". The order matters: each later form is looked for
    first, because node lists changed meaning between forms. c1 and c2 look the same: "c2".
    """
    directory = _nodes_dir()
    if (directory / "has_common_memory").exists():
        return "d1" if (directory / "has_user_memory").exists() else "d2"
    if (directory / "has_public_memory").exists():
        return "c2"
    if (directory / "has_fallback_memory").exists():
        return "b3"
    if any(directory.glob("node[0-9]*/mem_features")):
        return "b2"
    if not (directory / "has_private_memory").exists():
        return "none"
    dax = paths.SYS / "bus/dax"
    if (dax / "drivers/anondax").exists():
        return "b0"
    if any(dax.glob("devices/dax*/private")):
        return "v5"
    return "v4"


def block_pages() -> int:
    """Base pages in a memory block."""
    return block_size() // PAGE_SIZE

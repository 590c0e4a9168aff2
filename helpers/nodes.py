# SPDX-License-Identifier: GPL-2.0-only
"""NUMA nodes, as sysfs tells it; with their zones (zones.py) and memory blocks (memory_blocks.py).

Source: Documentation/ABI/stable/sysfs-devices-node. Sizes are bytes unless a name says pages.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from helpers import paths

# What belongs to a node is had from here, too.
from helpers.dialect import detect_dialect as detect_dialect
from helpers.memory_blocks import ONLINE_KINDS as ONLINE_KINDS
from helpers.memory_blocks import MemoryBlock as MemoryBlock
from helpers.memory_blocks import block_pages as block_pages
from helpers.memory_blocks import block_size as block_size
from helpers.memory_blocks import memory_blocks as memory_blocks
from helpers.nodemask import NodeMask
from helpers.zones import Watermarks as Watermarks
from helpers.zones import Zone as Zone
from helpers.zones import all_zones as all_zones
from helpers.zones import parse_zoneinfo as parse_zoneinfo
from helpers.zones import refresh_vmstat as refresh_vmstat

#: Node 0 MemTotal:  1014092 kB
_MEMINFO = re.compile(r"^Node +\d+ (\S+?):? +(\d+)( kB)?", re.MULTILINE)


def node_list(name: str) -> NodeMask:
    """/sys/devices/system/node/<name>: "online", "possible", "has_memory", "has_private_memory", ...

    FileNotFoundError where this kernel has no such list: an absent file is never an empty list.
    """
    return NodeMask.parse(paths.read_text(f"{paths.nodes()}/{name}"))


def has_private_memory() -> NodeMask | None:
    """The private nodes, or None on a kernel that does not know them."""
    try:
        return node_list("has_private_memory")
    except FileNotFoundError:
        return None


def _counters(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in paths.read_text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


@dataclass(frozen=True, order=True)
class Node:
    """A node by id; nothing is read before it is asked for, so the node may be offline."""

    nid: int

    @property
    def path(self) -> Path:
        return paths.nodes() / f"node{self.nid}"

    def exists(self) -> bool:
        """Has it a sysfs directory, that is: is it online."""
        return self.path.is_dir()

    def meminfo(self) -> dict[str, int]:
        """nodeN/meminfo: bytes by field ("MemTotal", "MemFree", "FilePages", ...); HugePages_* are counts."""
        found = _MEMINFO.findall(paths.read_text(self.path / "meminfo"))
        return {name: int(number) * (1024 if unit else 1) for name, number, unit in found}

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
        return all_zones(self.nid)

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

    def memory_blocks(self) -> list[MemoryBlock]:
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

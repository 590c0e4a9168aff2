# SPDX-License-Identifier: GPL-2.0-only
"""Memory blocks: the unit of on- and offlining.

Source: Documentation/admin-guide/mm/memory-hotplug.rst. Sizes are bytes.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from helpers import paths
from helpers.syscalls import PAGE_SIZE

_BLOCK = re.compile(r"memory(\d+)\Z")
_NODE = re.compile(r"node(\d+)\Z")
ONLINE_KINDS = ("online", "online_kernel", "online_movable")


def _directory() -> Path:
    return paths.SYS / "devices/system/memory"


def block_size() -> int:
    """Bytes of a memory block (block_size_bytes is hexadecimal without 0x)."""
    return int(paths.read_text(_directory() / "block_size_bytes"), 16)


def block_pages() -> int:
    """Base pages in a memory block."""
    return block_size() // PAGE_SIZE


@dataclass(frozen=True, order=True)
class MemoryBlock:
    """memory<index>: one block of physical memory, the unit of on- and offlining."""

    index: int
    size: int

    @property
    def path(self) -> Path:
        return _directory() / f"memory{self.index}"

    @property
    def start(self) -> int:
        """Physical address."""
        return self.index * self.size

    @property
    def nids(self) -> list[int]:
        """Nodes linked from the block; more than one only where firmware split a block."""
        found = (_NODE.match(name) for name in os.listdir(self.path))
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
        names = os.listdir(_directory())
        size = block_size()
    except FileNotFoundError:
        return []
    found = (_BLOCK.match(name) for name in names)
    return sorted(MemoryBlock(int(match[1]), size) for match in found if match)

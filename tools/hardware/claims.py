# SPDX-License-Identifier: GPL-2.0-only
"""Who uses a range of physical memory, or a device: asked before anything is taken.

Sources: Documentation/ABI/testing/sysfs-bus-nvdimm, Documentation/filesystems/proc.rst.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from helpers import paths
from helpers.memory_blocks import MemoryBlock, memory_blocks

#: What announces memory without using it. A dax device and its region show under their own names.
_IDLE = re.compile(
    r"Soft Reserved|CXL Window \d+|region\d+(\.\d+)?|dax\d+\.\d+|hmem\.\d+|System RAM \(kmem\)", re.IGNORECASE
)


@dataclass(frozen=True)
class Resource:
    """A line of /proc/iomem; `end` is the last address."""

    start: int
    end: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} [{self.start:#x}-{self.end:#x}]"


def resources() -> list[Resource]:
    """/proc/iomem. Addresses are 0 unless root reads it."""
    found = []
    for line in paths.read_text(paths.PROC / "iomem").splitlines():
        span, _, name = line.strip().partition(" : ")
        first, _, last = span.partition("-")
        found.append(Resource(int(first, 16), int(last, 16), name))
    return found


def users(start: int, size: int) -> list[Resource]:
    """Resources in a range that are more than an announcement of memory."""
    end = start + size - 1
    return [
        one for one in resources() if one.start <= end and start <= one.end and not _IDLE.fullmatch(one.name)
    ]


def blocks(start: int, size: int) -> list[MemoryBlock]:
    """Memory blocks that the kernel has made of a range."""
    return [one for one in memory_blocks() if one.start < start + size and start < one.start + one.size]


def processes(device: Path) -> list[str]:
    """Processes that have a device file open or mapped, as "qemu (1234)"."""
    found = []
    for process in sorted(_numbers(paths.PROC)):
        with suppress(OSError):  # gone in between
            if device in _opened(process) or f" {device}\n" in (process / "maps").read_text():
                found.append(f"{paths.read_text(process / 'comm')} ({process.name})")
    return found


def _numbers(root: Path) -> Iterator[Path]:
    return (path for path in root.iterdir() if path.name.isdigit())


def _opened(process: Path) -> set[Path]:
    found = set()
    for one in (process / "fd").iterdir():
        with suppress(OSError):
            found.add(Path(os.readlink(one)))
    return found


def namespaces(start: int, size: int) -> Iterator[tuple[str, str | None]]:
    """Persistent memory namespaces in a range, and where one is in use: a mount point, or "swap"."""
    for path in sorted((paths.SYS / "bus/nd/devices").glob("namespace*")):
        with suppress(OSError, ValueError):
            first, nbytes = paths.read_int(path / "resource"), paths.read_int(path / "size")
            if nbytes and first < start + size and start < first + nbytes:
                yield path.name, _used_as(path)


def _used_as(namespace: Path) -> str | None:
    disks = {paths.read_text(one / "dev") for one in namespace.glob("block/*")} | {
        paths.read_text(one / "dev") for one in namespace.glob("block/*/*[0-9]") if (one / "dev").exists()
    }
    for line in paths.read_text(paths.PROC / "self/mountinfo").splitlines():
        words = line.split(" ")
        if words[2] in disks:
            return words[4].replace("\\040", " ")
    names = {one.name for one in namespace.glob("block/*")}
    swaps = paths.read_text(paths.PROC / "swaps").splitlines()[1:]
    return "swap" if any(Path(line.split()[0]).name in names for line in swaps) else None

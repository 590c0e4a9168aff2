# SPDX-License-Identifier: GPL-2.0-only
"""DSC-08: how the range shows in /proc/iomem and in the firmware memory map that kexec reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fixtures.nodes import PrivateRange
from fixtures.requirement import requirement

NAME = "System RAM (pnode_iomem)"
PLAIN = "System RAM"
FIRMWARE_MAP = Path("/sys/firmware/memmap")
ENTRY = ("start", "end", "type")


@dataclass(frozen=True)
class Resource:
    """A line of /proc/iomem; the end is inclusive there and exclusive here."""

    start: int
    end: int
    name: str

    def overlaps(self, start: int, size: int) -> bool:
        return self.start < start + size and start < self.end


def iomem() -> Iterator[Resource]:
    """All resources, nested ones too. Addresses need root."""
    for line in Path("/proc/iomem").read_text().splitlines():
        extent, _, name = line.strip().partition(" : ")
        first, _, last = extent.partition("-")
        yield Resource(int(first, 16), int(last, 16) + 1, name)


def firmware_map() -> set[tuple[str, ...]]:
    """Entries of /sys/firmware/memmap (start, end, type); empty where the kernel has none."""
    entries = FIRMWARE_MAP.iterdir() if FIRMWARE_MAP.is_dir() else ()
    return {tuple((entry / name).read_text().strip() for name in ENTRY) for entry in entries}


@requirement("DSC-08")
def test_iomem_names_the_drivers_resource(unplugged: PrivateRange) -> None:
    node = unplugged.plug(name=NAME)
    named = [resource for resource in iomem() if resource.name == NAME]
    assert named == [Resource(node.start, node.start + node.size, NAME)]
    node.unplug()
    assert NAME not in {resource.name for resource in iomem()}, "the resource outlived the unplug"


@requirement("DSC-08")
def test_range_is_not_plain_system_ram(unplugged: PrivateRange) -> None:
    before = firmware_map()
    node = unplugged.plug(name=NAME)
    plain = [resource for resource in iomem() if resource.name == PLAIN]
    assert plain, "no plain System RAM at all: the control fails"
    assert [one for one in plain if one.overlaps(node.start, node.size)] == []
    assert firmware_map() == before, "the plug made a firmware memory map entry, which kexec would use"

# SPDX-License-Identifier: GPL-2.0-only
"""A made-up machine with two spare dax devices (nodes 1 and 3), ordinary nodes 0 and 2, blocks of 128 MiB."""

from pathlib import Path

import pytest

from helpers import paths

IOMEM = """00000000-00000fff : Reserved
00001000-3fffffff : System RAM
  01000000-01ffffff : Kernel code
100000000-11fffffff : Soft Reserved
  100000000-11fffffff : dax0.0
    100000000-11fffffff : dax0.0
140000000-15fffffff : Soft Reserved
  140000000-15fffffff : hmem.1
"""


class Machine:
    """Files below fake /sys, /proc and /dev."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def file(self, name: str, text: object = "") -> Path:
        """A file with its directories and a newline, as sysfs writes it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
        return path

    def link(self, name: str, target: str | Path) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
        return path

    def text(self, name: str) -> str:
        return (self.root / name).read_text().strip()

    def block(self, index: int, state: str, zones: str = "Movable") -> None:
        self.file(f"sys/devices/system/memory/memory{index}/state", state)
        self.file(f"sys/devices/system/memory/memory{index}/valid_zones", zones)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in ("SYS", "PROC", "DEV"):
        (tmp_path / name.lower()).mkdir()
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    fake = Machine(tmp_path)
    for name, start, node in (("dax0.0", 1 << 32, 1), ("dax1.0", 5 << 30, 3)):
        for attribute, value in (("resource", hex(start)), ("size", 512 << 20), ("target_node", node)):
            fake.file(f"sys/bus/dax/devices/{name}/{attribute}", value)
    for driver in ("device_dax", "kmem"):
        for attribute in ("bind", "unbind", "new_id", "remove_id"):
            fake.file(f"sys/bus/dax/drivers/{driver}/{attribute}")
    for name, nodes in (("has_memory", "0,2"), ("online", "0,2"), ("has_private_memory", "")):
        fake.file(f"sys/devices/system/node/{name}", nodes)
    fake.file("sys/devices/system/memory/block_size_bytes", "8000000")
    fake.block(0, "online", "DMA32")
    fake.file("proc/iomem", IOMEM.rstrip("\n"))
    fake.file("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw")
    fake.file("proc/meminfo", "HardwareCorrupted: 0 kB")
    fake.file("proc/swaps", "Filename Type Size Used Priority")
    return fake

# SPDX-License-Identifier: GPL-2.0-only
"""DAX devices: physical ranges that no kernel has claimed, and who holds them.

A range is free for the test module after unbind(). Sources: drivers/dax/bus.c,
Documentation/ABI/testing/sysfs-bus-dax.
"""

import errno
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from helpers import paths

NO_NODE = -1  # target_node of a range whose node the firmware does not tell


def _bus() -> Path:
    return paths.SYS / "bus/dax"


@dataclass(frozen=True, order=True)
class DaxDevice:
    """One device as it was when listed; `driver` and `exists()` look again."""

    resource: int  # physical address of the first range
    size: int  # bytes
    target_node: int  # node the memory would get when onlined
    name: str  # dax0.0

    @property
    def path(self) -> Path:
        return _bus() / "devices" / self.name

    @property
    def start(self) -> int:
        return self.resource

    @property
    def end(self) -> int:
        """First address after the range."""
        return self.resource + self.size

    @property
    def driver(self) -> str | None:
        """device_dax, kmem, or None when unbound."""
        return paths.driver(self.path)

    @property
    def numa_node(self) -> int:
        """Node the device hangs on (not the one its memory would make)."""
        return paths.read_int(self.path / "numa_node")

    @property
    def align(self) -> int:
        return paths.read_int(self.path / "align")

    def exists(self) -> bool:
        return self.path.exists()

    def unbind(self) -> str | None:
        """Takes the device from its driver, which gives the range back. Returns that driver's name.

        For kmem the memory must be offline, else its unbind leaves the memory in place.
        """
        driver = self.driver
        if driver is not None:
            directory = _bus() / "drivers" / driver
            # Without this a driver that was told of the id would take the device again.
            with suppress(OSError):
                paths.write_text(directory / "remove_id", self.name)
            with suppress(FileNotFoundError):  # remove_id may have unbound it
                paths.write_text(directory / "unbind", self.name)
        return driver

    def bind(self, driver: str) -> None:
        """Gives the device to a driver ("device_dax", "kmem"). ENODEV when it will not have it."""
        directory = _bus() / "drivers" / driver
        # The bus matches a device that its driver does not claim by type only when told its id;
        # new_id binds it as well.
        with suppress(OSError):
            paths.write_text(directory / "new_id", self.name)
        if self.driver != driver:
            paths.write_text(directory / "bind", self.name)

    def rebind(self, driver: str) -> str | None:
        """unbind() and bind(). Returns the driver before, to put it back."""
        before = self.unbind()
        self.bind(driver)
        return before

    def __str__(self) -> str:
        return f"{self.name} [{self.resource:#x}-{self.end - 1:#x}] node {self.target_node}"


def device(name: str) -> DaxDevice:
    """The device by name. FileNotFoundError without it; PermissionError unless root (resource is 0400)."""
    path = _bus() / "devices" / name
    return DaxDevice(
        resource=paths.read_int(path / "resource"),
        size=paths.read_int(path / "size"),
        target_node=paths.read_int(path / "target_node"),
        name=name,
    )


def devices() -> list[DaxDevice]:
    """All DAX devices with memory, ascending by address. [] on a kernel without the bus."""
    found = []
    for path in (_bus() / "devices").glob("dax*"):
        try:
            one = device(path.name)
        except (FileNotFoundError, ValueError):  # gone in between, or a seed without a range
            continue
        except OSError as error:
            if error.errno == errno.ENXIO:
                continue
            raise
        if one.size:
            found.append(one)
    return sorted(found)

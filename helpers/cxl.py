# SPDX-License-Identifier: GPL-2.0-only
"""CXL RAM regions, made and unmade over sysfs; with the devices and decoders of cxl_decoders.py.

A region is made as the kernel's documentation says: name it by create_ram_region, give it
interleave settings, give each endpoint decoder its mode and capacity, then size, targets, commit, and
bind it to the cxl_region driver; a DAX device appears. Failures are CxlError.
Source: Documentation/ABI/testing/sysfs-bus-cxl.
"""

import errno
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from helpers import paths
from helpers.cxl_decoders import CxlError as CxlError
from helpers.cxl_decoders import Decoder as Decoder
from helpers.cxl_decoders import Interleaved, names, write
from helpers.cxl_decoders import Memdev as Memdev
from helpers.cxl_decoders import decoders as decoders
from helpers.cxl_decoders import endpoint_decoder as endpoint_decoder
from helpers.cxl_decoders import for_window as for_window
from helpers.cxl_decoders import in_window_order as in_window_order
from helpers.cxl_decoders import likely_cause as likely_cause
from helpers.cxl_decoders import memdevs as memdevs
from helpers.cxl_decoders import present as present
from helpers.cxl_decoders import root_decoders as root_decoders
from helpers.dax import DaxDevice
from helpers.dax import devices as dax_devices
from helpers.wait import wait_until

ALIGN = 256 << 20  # bytes; decoders and regions are multiples of it
DEFAULT_GRANULARITY = 256  # bytes; the smallest, right for any number of ways
DAX_TIMEOUT = 30.0


@dataclass(frozen=True)
class Region(Interleaved):
    """A region by name, region0."""

    @property
    def window(self) -> Decoder:
        """The root decoder it lies in."""
        return Decoder(self.path.resolve().parent.name)

    @property
    def resource(self) -> int | None:
        """Physical address; None before it has a size (the kernel shows all ones then)."""
        value = paths.read_int(self.path / "resource")
        return None if value in (0, (1 << 64) - 1) else value

    @property
    def committed(self) -> bool:
        return paths.read_text(self.path / "commit") == "1"

    @property
    def targets(self) -> list[Decoder]:
        """The endpoint decoders by position; unset positions are left out."""
        names = (paths.read_text(self.path / f"target{i}") for i in range(self.interleave_ways))
        return [Decoder(name) for name in names if name]

    @property
    def driver(self) -> str | None:
        """cxl_region, or None when unbound."""
        return paths.driver(self.path)

    def exists(self) -> bool:
        return self.path.exists()

    def commit(self) -> None:
        """Programs the decoders of the whole path."""
        write(self.path / "commit", 1)

    def decommit(self) -> None:
        """Releases the driver (its DAX device goes) and frees the decoders."""
        write(self.path / "commit", 0)

    def bind(self) -> None:
        """Gives the region to the cxl_region driver, which makes the DAX device."""
        if self.driver is None:
            write(paths.SYS / "bus/cxl/drivers/cxl_region/bind", self.name)

    def unbind(self) -> None:
        if self.driver is not None:
            write(paths.SYS / "bus/cxl/drivers/cxl_region/unbind", self.name)

    def dax(self) -> DaxDevice | None:
        """Its DAX device, if there is one."""
        here = self.path.resolve()
        return next((one for one in dax_devices() if here in one.path.resolve().parents), None)

    def wait_dax(self, timeout: float = DAX_TIMEOUT) -> DaxDevice:
        """Its DAX device, waited for."""
        found = wait_until(self.dax, timeout, f"the DAX device of {self.name}")
        assert found is not None
        return found

    def destroy(self) -> None:
        """Undoes everything, whatever was reached: driver, commit, targets, size, region, capacity.

        The first step that fails raises CxlError, and later steps are still tried.
        """
        failures: list[OSError] = []

        def step(path: Path, value: object) -> None:
            try:
                write(path, value)
            except OSError as error:
                failures.append(error)

        if not self.exists():
            return
        window, ways = self.window, self.interleave_ways
        endpoints = self.targets
        if self.driver is not None:
            step(paths.SYS / "bus/cxl/drivers/cxl_region/unbind", self.name)
        if self.committed:
            step(self.path / "commit", 0)
        for position in range(ways):
            if paths.read_text(self.path / f"target{position}"):
                step(self.path / f"target{position}", "\n")
        step(window.path / "delete_region", self.name)
        for decoder in sorted(endpoints, key=lambda one: one.index, reverse=True):
            step(decoder.path / "dpa_size", 0)
        if failures:
            raise failures[0]


def regions() -> list[Region]:
    return [Region(name) for name in names("region")]


def new_region(window: Decoder) -> Region:
    """Names a new RAM region: the name that reading create_ram_region gives is written back to it."""
    attribute = window.path / "create_ram_region"
    for _attempt in range(8):
        name = paths.read_text(attribute)
        try:
            write(attribute, name)
        except CxlError as error:
            if error.errno != errno.EBUSY:  # somebody else was faster
                raise
            continue
        return Region(name)
    raise CxlError(errno.EBUSY, attribute, "region")


def create_ram_region(
    memdevices: Sequence[Memdev] | None = None,
    *,
    window: Decoder | None = None,
    size: int | None = None,
    granularity: int | None = None,
    bind: bool = True,
) -> Region:
    """A committed RAM region over these devices (default: the first one), bound unless told not to.

    The number of devices is the number of ways. size is that of the region in bytes; by default the
    smallest device's whole capacity times the ways. Nothing is left behind when a step fails.
    LookupError when there is no device, window or free decoder.
    """
    devices = list(memdevices) if memdevices is not None else memdevs()[:1]
    if not devices:
        raise LookupError("no CXL memory device")
    ways = len(devices)
    if window is None:
        windows = [one for one in root_decoders() if one.cap_ram and ways % one.interleave_ways == 0]
        if not windows:
            raise LookupError(f"no CXL window for volatile memory of {ways} ways")
        window = windows[0]
    endpoints = in_window_order(window, [endpoint_decoder(device) for device in devices])
    share = size // ways if size is not None else min(one.ram_size for one in devices) // ALIGN * ALIGN
    if granularity is None:
        granularity = window.interleave_granularity if window.interleave_ways > 1 else DEFAULT_GRANULARITY

    region = new_region(window)
    try:
        write(region.path / "interleave_granularity", granularity)
        write(region.path / "interleave_ways", ways)
        for decoder in endpoints:
            decoder.allocate(share)
        write(region.path / "size", share * ways if size is None else size)
        for position, decoder in enumerate(endpoints):
            write(region.path / f"target{position}", decoder.name)
        region.commit()
        if bind:
            region.bind()
    except OSError:
        with suppress(OSError):
            region.destroy()
        for decoder in endpoints:
            with suppress(OSError):
                if decoder.region is None:
                    decoder.allocate(0)
        raise
    return region

# SPDX-License-Identifier: GPL-2.0-only
"""CXL memory devices, decoders and RAM regions, all over sysfs.

A region is made as the kernel's documentation says: name it by create_ram_region, give it
interleave settings, give each endpoint decoder its mode and capacity, then size, targets, commit, and
bind it to the cxl_region driver; a DAX device appears. Failures are CxlError: the attribute, the errno
and the likely cause. Source: Documentation/ABI/testing/sysfs-bus-cxl.
"""

import errno
import os
import re
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers import paths
from helpers.dax import DaxDevice
from helpers.dax import devices as dax_devices
from helpers.wait import wait_until

ALIGN = 256 << 20  # bytes; decoders and regions are multiples of it
DEFAULT_GRANULARITY = 256  # bytes; the smallest, right for any number of ways
DAX_TIMEOUT = 30.0

_DECODER = re.compile(r"decoder(\d+)\.(\d+)\Z")


class CxlError(OSError):
    """A step of the CXL plumbing failed: .attribute, .value, .errno and .cause."""

    def __init__(self, number: int, path: Path, value: object) -> None:
        self.attribute = path.name
        self.value = value
        self.cause = likely_cause(path.name, number)
        name = errno.errorcode.get(number, str(number))
        super().__init__(number, f"{name} when {value!r} was written; likely: {self.cause}", str(path))


@cache
def _causes() -> dict[str, dict[str, str]]:
    text = Path(__file__).with_name("cxl_causes.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def likely_cause(attribute: str, number: int) -> str:
    """What the errno of a write to the attribute most likely means."""
    table = _causes().get("target" if attribute.startswith("target") else attribute, {})
    return table.get(errno.errorcode.get(number, ""), os.strerror(number))


def _write(path: Path, value: object) -> None:
    try:
        paths.write_text(path, value)
    except OSError as error:
        raise CxlError(error.errno or 0, path, value) from None


def _devices() -> Path:
    return paths.SYS / "bus/cxl/devices"


def _names(prefix: str) -> list[str]:
    try:
        names = [name for name in os.listdir(_devices()) if re.fullmatch(rf"{prefix}[\d.]+", name)]
    except FileNotFoundError:
        return []
    return sorted(names, key=lambda name: [int(part) for part in re.findall(r"\d+", name)])


@dataclass(frozen=True)
class Memdev:
    """A CXL memory device: mem0."""

    name: str

    @property
    def path(self) -> Path:
        return _devices() / self.name

    @property
    def serial(self) -> int:
        return paths.read_int(self.path / "serial")

    @property
    def ram_size(self) -> int:
        """Bytes of volatile capacity."""
        return paths.read_int(self.path / "ram/size")

    @property
    def pmem_size(self) -> int:
        return paths.read_int(self.path / "pmem/size")

    @property
    def firmware_version(self) -> str:
        return paths.read_text(self.path / "firmware_version")

    @property
    def numa_node(self) -> int:
        """Node of the PCI device, -1 when unknown; not the node of its memory."""
        return paths.read_int(self.path / "numa_node")

    @property
    def pci_address(self) -> str:
        """0000:0d:00.0"""
        return self.path.resolve().parent.name


@dataclass(frozen=True)
class Decoder:
    """A decoder by name, decoder<port>.<index>. kind: root, switch or endpoint."""

    name: str

    @property
    def path(self) -> Path:
        return _devices() / self.name

    @property
    def kind(self) -> str:
        """devtype is cxl_decoder_root, cxl_decoder_switch or cxl_decoder_endpoint."""
        return paths.read_text(self.path / "devtype").removeprefix("cxl_decoder_")

    @property
    def port(self) -> str:
        """root0, port1, endpoint2: the port that owns the decoder."""
        return self.path.resolve().parent.name

    @property
    def index(self) -> int:
        match = _DECODER.match(self.name)
        return int(match[2]) if match else 0

    @property
    def start(self) -> int:
        """Physical address of what it decodes; root decoders: of the CFMWS window."""
        return paths.read_int(self.path / "start")

    @property
    def size(self) -> int:
        return paths.read_int(self.path / "size")

    @property
    def interleave_ways(self) -> int:
        return paths.read_int(self.path / "interleave_ways")

    @property
    def interleave_granularity(self) -> int:
        return paths.read_int(self.path / "interleave_granularity")

    @property
    def target_list(self) -> list[int]:
        """Ids of the downstream ports in interleave order (root and switch decoders)."""
        return [int(part) for part in paths.read_text(self.path / "target_list").split(",") if part]

    @property
    def region(self) -> str | None:
        """Name of the region the decoder belongs to; None for root decoders, which may hold several."""
        try:
            return paths.read_text(self.path / "region") or None
        except FileNotFoundError:
            return None

    @property
    def dpa_size(self) -> int:
        """Bytes of device capacity allocated to an endpoint decoder."""
        return paths.read_int(self.path / "dpa_size")

    @property
    def mode(self) -> str:
        """none, ram, pmem or mixed (endpoint decoders)."""
        return paths.read_text(self.path / "mode")

    @property
    def cap_ram(self) -> bool:
        """May the window hold volatile memory (root decoders)."""
        return paths.read_int(self.path / "cap_ram") == 1

    @property
    def memdev(self) -> Memdev:
        """The device of an endpoint decoder. LookupError for other kinds."""
        try:
            return Memdev((self.path.resolve().parent / "uport").resolve(strict=True).name)
        except FileNotFoundError:
            raise LookupError(f"{self.name} is no endpoint decoder") from None

    def allocate(self, nbytes: int) -> None:
        """Gives an endpoint decoder that much volatile capacity (0 takes it away)."""
        if nbytes:
            _write(self.path / "mode", "ram")
        _write(self.path / "dpa_size", nbytes)


def present() -> bool:
    """Has the machine a CXL root with at least one memory window."""
    return bool(root_decoders())


def memdevs() -> list[Memdev]:
    return [Memdev(name) for name in _names("mem")]


def decoders(kind: str | None = None) -> list[Decoder]:
    """All decoders, or those of one kind: root, switch, endpoint."""
    found = [Decoder(name) for name in _names("decoder")]
    return [decoder for decoder in found if kind is None or decoder.kind == kind]


def root_decoders() -> list[Decoder]:
    """The CFMWS windows."""
    return decoders("root")


def endpoint_decoder(memdev: Memdev) -> Decoder:
    """The lowest free decoder of a device: they must be used in order. LookupError when none is free."""
    for decoder in decoders("endpoint"):
        if decoder.memdev == memdev and decoder.region is None and decoder.dpa_size == 0:
            return decoder
    raise LookupError(f"{memdev.name} has no free endpoint decoder")


def _host_bridge(decoder: Decoder) -> Path | None:
    """The device below the root that leads to an endpoint decoder: what a root decoder targets."""
    port = decoder.path.resolve().parent
    while port.parent.name and not port.parent.name.startswith("root"):
        port = port.parent
    link = port / "parent_dport"
    return link.resolve() if link.exists() else None


def in_window_order(window: Decoder, endpoints: Sequence[Decoder]) -> list[Decoder]:
    """Endpoint decoders so that each position is behind the host bridge the window wants there.

    Region position p belongs to target p modulo the window's own ways. LookupError when a bridge
    has too few of them. With one target, or bridges that sysfs does not tell, the given order stays.
    """
    root = window.path.resolve().parent
    bridges = [(root / f"dport{number}").resolve() for number in window.target_list]
    if len(bridges) < 2:
        return list(endpoints)
    left = {decoder: _host_bridge(decoder) for decoder in endpoints}
    if None in left.values():
        return list(endpoints)
    ordered = []
    for position in range(len(endpoints)):
        bridge = bridges[position % len(bridges)]
        chosen = next((decoder for decoder, behind in left.items() if behind == bridge), None)
        if chosen is None:
            raise LookupError(f"{window.name}: no device for position {position}, behind {bridge.name}")
        ordered.append(chosen)
        del left[chosen]
    return ordered


@dataclass(frozen=True)
class Region:
    """A region by name, region0."""

    name: str

    @property
    def path(self) -> Path:
        return _devices() / self.name

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
    def size(self) -> int:
        return paths.read_int(self.path / "size")

    @property
    def interleave_ways(self) -> int:
        return paths.read_int(self.path / "interleave_ways")

    @property
    def interleave_granularity(self) -> int:
        return paths.read_int(self.path / "interleave_granularity")

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
        try:
            return Path(os.readlink(self.path / "driver")).name
        except FileNotFoundError:
            return None

    def exists(self) -> bool:
        return self.path.exists()

    def commit(self) -> None:
        """Programs the decoders of the whole path."""
        _write(self.path / "commit", 1)

    def decommit(self) -> None:
        """Releases the driver (its DAX device goes) and frees the decoders."""
        _write(self.path / "commit", 0)

    def bind(self) -> None:
        """Gives the region to the cxl_region driver, which makes the DAX device."""
        if self.driver is None:
            _write(paths.SYS / "bus/cxl/drivers/cxl_region/bind", self.name)

    def unbind(self) -> None:
        if self.driver is not None:
            _write(paths.SYS / "bus/cxl/drivers/cxl_region/unbind", self.name)

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
                _write(path, value)
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
    return [Region(name) for name in _names("region")]


def new_region(window: Decoder) -> Region:
    """Names a new RAM region: the name that reading create_ram_region gives is written back to it."""
    attribute = window.path / "create_ram_region"
    for _attempt in range(8):
        name = paths.read_text(attribute)
        try:
            _write(attribute, name)
        except CxlError as error:
            if error.errno != errno.EAGAIN:
                raise
            continue
        return Region(name)
    raise CxlError(errno.EAGAIN, attribute, "region")


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
        _write(region.path / "interleave_granularity", granularity)
        _write(region.path / "interleave_ways", ways)
        for decoder in endpoints:
            decoder.allocate(share)
        _write(region.path / "size", share * ways if size is None else size)
        for position, decoder in enumerate(endpoints):
            _write(region.path / f"target{position}", decoder.name)
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

# SPDX-License-Identifier: GPL-2.0-only
"""CXL memory devices and decoders over sysfs, and what a refused write means.

Failures are CxlError: the attribute, the errno and the likely cause.
Source: Documentation/ABI/testing/sysfs-bus-cxl.
"""

import errno
import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers import paths

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


def write(path: Path, value: object) -> None:
    """Write an attribute. CxlError when the kernel refuses."""
    try:
        paths.write_text(path, value)
    except OSError as error:
        raise CxlError(error.errno or 0, path, value) from None


def devices() -> Path:
    """Where everything on the CXL bus is."""
    return paths.SYS / "bus/cxl/devices"


def names(prefix: str) -> list[str]:
    """What is on the bus with this prefix and a number, in the order of the numbers."""
    try:
        found = [name for name in os.listdir(devices()) if re.fullmatch(rf"{prefix}[\d.]+", name)]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda name: [int(part) for part in re.findall(r"\d+", name)])


@dataclass(frozen=True)
class Memdev:
    """A CXL memory device: mem0."""

    name: str

    @property
    def path(self) -> Path:
        return devices() / self.name

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
class Interleaved:
    """A thing on the CXL bus by name that covers a range of addresses: a decoder or a region."""

    name: str

    @property
    def path(self) -> Path:
        return devices() / self.name

    @property
    def size(self) -> int:
        return paths.read_int(self.path / "size")

    @property
    def interleave_ways(self) -> int:
        return paths.read_int(self.path / "interleave_ways")

    @property
    def interleave_granularity(self) -> int:
        return paths.read_int(self.path / "interleave_granularity")


@dataclass(frozen=True)
class Decoder(Interleaved):
    """A decoder by name, decoder<port>.<index>. kind: root, switch or endpoint."""

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
            write(self.path / "mode", "ram")
        write(self.path / "dpa_size", nbytes)


def present() -> bool:
    """Has the machine a CXL root with at least one memory window."""
    return bool(root_decoders())


def memdevs() -> list[Memdev]:
    return [Memdev(name) for name in names("mem")]


def decoders(kind: str | None = None) -> list[Decoder]:
    """All decoders, or those of one kind: root, switch, endpoint."""
    found = [Decoder(name) for name in names("decoder")]
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


def _bridges(window: Decoder) -> list[Path]:
    """The host bridges that a window leads to, in the order of its ways."""
    root = window.path.resolve().parent
    return [(root / f"dport{number}").resolve() for number in window.target_list]


def for_window(window: Decoder, memdevices: Sequence[Memdev]) -> list[Memdev]:
    """One device for each way of a window, behind the host bridge that the way leads to; empty when one has
    none."""
    chosen: list[Memdev] = []
    for bridge in _bridges(window):
        behind = (
            memdev
            for memdev in memdevices
            if memdev not in chosen and _host_bridge(endpoint_decoder(memdev)) in (bridge, None)
        )
        first = next(behind, None)
        if first is None:
            return []
        chosen.append(first)
    return chosen


def in_window_order(window: Decoder, endpoints: Sequence[Decoder]) -> list[Decoder]:
    """Endpoint decoders so that each position is behind the host bridge the window wants there.

    Region position p belongs to target p modulo the window's own ways. LookupError when a bridge
    has too few of them. With one target, or bridges that sysfs does not tell, the given order stays.
    """
    bridges = _bridges(window)
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

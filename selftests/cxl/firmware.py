# SPDX-License-Identifier: GPL-2.0-only
"""What firmware and device say of CXL themselves, read apart from the kernel's CXL drivers.

Sources: CXL 3.1, 9.18.1 (CEDT with its CFMWS structures) and 8.1.3 (DVSEC for CXL devices); ACPI 6.5, 5.2.16
(SRAT); PCI Express 6.0, 7.9.3 (device serial number) and 7.9.6 (DVSEC).
"""

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from selftests.discovery.acpi import domains

CEDT = Path("/sys/firmware/acpi/tables/CEDT")
_TABLE_HEADER = 36
_CFMWS = 1
_SRAT_BODY, _MEMORY_AFFINITY = 48, 1
_EXTENDED = 0x100  # where extended capabilities begin in a function's configuration space
_SERIAL_NUMBER, _DVSEC = 0x0003, 0x0023
_CXL_VENDOR, _CXL_DEVICE = 0x1E98, 0
_VALID_ACTIVE = 0x3  # memory information valid, memory active


@dataclass(frozen=True)
class Window:
    """A CXL fixed memory window (CFMWS)."""

    start: int
    size: int
    ways: int
    volatile: bool


def windows(table: bytes) -> Iterator[Window]:
    """Windows of a CEDT, in its order."""
    offset = _TABLE_HEADER
    while offset + 4 <= len(table):
        kind, length = table[offset], struct.unpack_from("<H", table, offset + 2)[0]
        if kind == _CFMWS:
            start, size, ways = struct.unpack_from("<QQB", table, offset + 8)
            restrictions = struct.unpack_from("<H", table, offset + 32)[0]
            # Encoded ways: powers of two up to 16, then 3, 6 and 12.
            yield Window(start, size, 1 << ways if ways < 5 else 3 << (ways - 8), bool(restrictions & 1 << 2))
        offset += max(length, 4)


def memory_of(srat: bytes) -> Iterator[tuple[int, int, int]]:
    """Memory that an SRAT describes: proximity domain, start and size."""
    offset = _SRAT_BODY
    while offset + 2 <= len(srat):
        kind, length = srat[offset], srat[offset + 1]
        if kind == _MEMORY_AFFINITY and struct.unpack_from("<I", srat, offset + 28)[0] & 1:
            yield struct.unpack_from("<I", srat, offset + 2)[0], *struct.unpack_from("<QQ", srat, offset + 8)
        offset += max(length, 2)


def nodes_of(cedt: bytes, srat: bytes) -> dict[int, int]:
    """Start of each window -> its node. One of which the SRAT describes a part is of that domain; the others
    are numbered after the SRAT's domains, in the CEDT's order (acpi_parse_cfmws() of Linux)."""
    known, described, found = domains(srat), list(memory_of(srat)), dict[int, int]()
    numbers = itertools.count(len(known))
    for one in windows(cedt):
        domain = next(
            (
                pxm
                for pxm, start, size in described
                if start < one.start + one.size and one.start < start + size
            ),
            None,
        )
        found[one.start] = next(numbers) if domain is None else known.index(domain)
    return found


@dataclass(frozen=True)
class Function:
    """Configuration space of a PCI function, by address (0000:0d:00.0). Reading all of it needs root."""

    address: str

    def config(self) -> bytes:
        return Path(f"/sys/bus/pci/devices/{self.address}/config").read_bytes()

    def capabilities(self) -> Iterator[tuple[int, bytes]]:
        """Extended capabilities: id, and the configuration space from there on."""
        config, offset = self.config(), _EXTENDED
        while offset:
            (head,) = struct.unpack_from("<I", config, offset)
            if not head:
                return
            yield head & 0xFFFF, config[offset:]
            offset = head >> 20

    def serial(self) -> int:
        """Device serial number. LookupError without one."""
        for kind, data in self.capabilities():
            if kind == _SERIAL_NUMBER:
                return int(struct.unpack_from("<Q", data, 4)[0])
        raise LookupError(f"{self.address} has no serial number")

    def memory_ranges(self) -> list[int]:
        """Sizes of the valid and active memory ranges of a CXL device, in bytes."""
        for kind, data in self.capabilities():
            if kind != _DVSEC:
                continue
            vendor, _length, number = struct.unpack_from("<HHH", data, 4)
            if (vendor, number) == (_CXL_VENDOR, _CXL_DEVICE):
                pairs = (struct.unpack_from("<II", data, at) for at in (0x18, 0x28))
                return [
                    high << 32 | low & 0xF0000000
                    for high, low in pairs
                    if low & _VALID_ACTIVE == _VALID_ACTIVE
                ]
        raise LookupError(f"{self.address} is no CXL device")

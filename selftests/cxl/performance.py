# SPDX-License-Identifier: GPL-2.0-only
"""How far and how fast memory is as firmware and device say it, read apart from the kernel's view.

Sources: ACPI 6.5, 5.2.16.7 (generic port affinity) and 5.2.28.4 (HMAT, latency and bandwidth); CDAT 1.03,
DSLBIS. Latencies in ns, bandwidths in MB/s, as sysfs has them (Documentation/admin-guide/mm/numaperf.rst).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from helpers import cxl
from selftests.discovery.acpi import TABLES

_HMAT_BODY, _SRAT_BODY, _CDAT_BODY = 40, 48, 16
_LATENCY_AND_BANDWIDTH, _GENERIC_PORT, _DSLBIS = 1, 6, 1
#: Data types of both tables; those for any access count for reading.
_LATENCY, _BANDWIDTH = (0, 1), (3, 4)


@dataclass(frozen=True)
class Reach:
    """To read from somewhere: latency in ns, bandwidth in MB/s."""

    latency: int
    bandwidth: int


def _generic_ports(srat: bytes) -> Iterator[int]:
    offset = _SRAT_BODY
    while offset + 2 <= len(srat):
        kind, length = srat[offset], srat[offset + 1]
        if kind == _GENERIC_PORT:
            yield struct.unpack_from("<I", srat, offset + 4)[0]
        offset += max(length, 2)


def _hmat(table: bytes, domain: int) -> Iterator[tuple[int, int]]:
    """(data type, value) for a target, seen from the first initiator; latencies in ps."""
    offset = _HMAT_BODY
    while offset + 8 <= len(table):
        kind, length = struct.unpack_from("<HxxI", table, offset)
        if kind == _LATENCY_AND_BANDWIDTH:
            initiators, targets, base = struct.unpack_from("<II4xQ", table, offset + 12)
            at = offset + 32 + 4 * initiators
            found = struct.unpack_from(f"<{targets}I", table, at)
            entries = struct.unpack_from(f"<{targets}H", table, at + 4 * targets)
            if domain in found:
                yield table[offset + 9], entries[found.index(domain)] * base
        offset += max(length, 8)


def _reach(values: dict[int, int]) -> Reach | None:
    latency = next((values[kind] for kind in _LATENCY if kind in values), None)
    bandwidth = next((values[kind] for kind in _BANDWIDTH if kind in values), None)
    if latency is None or bandwidth is None:
        return None
    return Reach(-(-latency // 1000), bandwidth)


def to_domain(domain: int, directory: Path = TABLES) -> Reach | None:
    """To a proximity domain by the HMAT; None where it says nothing."""
    return _reach(dict(_hmat((directory / "HMAT").read_bytes(), domain)))


def to_bridge(directory: Path = TABLES) -> Reach | None:
    """To the machine's first generic port."""
    domain = next(_generic_ports((directory / "SRAT").read_bytes()), None)
    return None if domain is None else to_domain(domain, directory)


def of_device(endpoint: cxl.Decoder) -> Reach | None:
    """Within the device, by its CDAT."""
    table = (cxl.Decoder(endpoint.port).path / "CDAT").read_bytes()
    values: dict[int, int] = {}
    offset = _CDAT_BODY
    while offset + 4 <= len(table):
        kind, length = struct.unpack_from("<BxH", table, offset)
        if kind == _DSLBIS:
            base, entry = struct.unpack_from("<QH", table, offset + 8)
            values.setdefault(table[offset + 6], base * entry)
        offset += max(length, 4)
    return _reach(values)

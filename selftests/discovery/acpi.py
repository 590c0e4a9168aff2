# SPDX-License-Identifier: GPL-2.0-only
"""Distances as the firmware gives them: the ACPI tables SLIT and SRAT, read apart from the kernel's view.

Sources: ACPI 6.5, 5.2.16 (SRAT) and 5.2.17 (SLIT); node numbers by drivers/acpi/numa/srat.c.
"""

import struct
from pathlib import Path

TABLES = Path("/sys/firmware/acpi/tables")
_HEADER = 36
_SRAT_BODY = _HEADER + 12
_CPU, _MEMORY = 0, 1
#: Where an entry has its proximity domain and its flags, by type (include/acpi/actbl3.h): memory, x2APIC,
#: GICC, generic initiator, RINTC. An older local APIC's domain is in two parts.
_FIELDS = {_MEMORY: (2, 28), 2: (4, 12), 3: (2, 10), 5: (4, 24), 7: (4, 12)}


def slit(table: bytes) -> dict[tuple[int, int], int]:
    """Distance by pair of proximity domains."""
    (count,) = struct.unpack_from("<Q", table, _HEADER)
    cells = table[_HEADER + 8 : _HEADER + 8 + count * count]
    return {(i // count, i % count): value for i, value in enumerate(cells)}


def domains(srat: bytes) -> list[int]:
    """Proximity domains in the order in which the kernel gives them node numbers: CPUs and generic initiators
    in the order of their entries, then memory."""
    entries: list[tuple[bool, int]] = []
    offset = _SRAT_BODY
    while offset + 2 <= len(srat):
        kind, length = srat[offset], srat[offset + 1]
        body = srat[offset : offset + length]
        if kind == _CPU and body[4] & 1:
            entries.append((False, body[2] | int.from_bytes(body[9:12], "little") << 8))
        elif kind in _FIELDS:
            domain, flags = (struct.unpack_from("<I", body, at)[0] for at in _FIELDS[kind])
            if flags & 1:
                entries.append((kind == _MEMORY, domain))
        offset += max(length, 2)
    return list(dict.fromkeys(domain for _memory, domain in sorted(entries, key=lambda entry: entry[0])))


def node_distances(directory: Path = TABLES) -> dict[tuple[int, int], int] | None:
    """Distance by pair of node ids, for nodes that the SRAT knows; None without a SLIT. Needs root."""
    try:
        table, srat = (directory / "SLIT").read_bytes(), (directory / "SRAT").read_bytes()
    except FileNotFoundError:
        return None
    node_of = {domain: nid for nid, domain in enumerate(domains(srat))}
    return {
        (node_of[a], node_of[b]): value
        for (a, b), value in slit(table).items()
        if a in node_of and b in node_of
    }

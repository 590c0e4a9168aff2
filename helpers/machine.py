# SPDX-License-Identifier: GPL-2.0-only
"""What this machine is, as its kernel shows it: the truth that certificates name and pictures are drawn from.

facts() is JSON: it travels from a guest to the host and becomes the `machine` event of a run. Sizes and
addresses are bytes, serial numbers and PCI ids hexadecimal text (a serial number has 64 bits, more than
numbers in JSON are good for). What the kernel does not show is null.
Sources: Documentation/ABI/testing/sysfs-bus-cxl, -sysfs-bus-pci, -kernel-notes.
"""

import os
import re
import struct
from pathlib import Path
from typing import Any

from helpers import cxl, dax, paths
from helpers.cxl_decoders import devices as on_the_bus
from helpers.cxl_decoders import names
from helpers.nodes import Node, node_list
from helpers.testmod import TestModule

__all__ = ["build_id", "facts", "told"]

_DPORT = re.compile(r"dport(\d+)")
_BUILD_ID = 3  # type of a note of "GNU": NT_GNU_BUILD_ID


def told() -> dict[str, Any]:
    """facts(), or `error` in their place: that one cannot be read must not keep tests from running. What the
    machine is then worth is for the reports to say; a certificate is refused."""
    try:
        return facts()
    except (OSError, ValueError, LookupError) as error:
        return {"error": repr(error)[:300]}


def facts() -> dict[str, Any]:
    """Everything, as the `machine` event has it (tools/report/README.md). Needs root. Raises OSError or
    ValueError for a sysfs that is not as documented."""
    return {
        "release": os.uname().release,
        "build_id": build_id(),
        "armed": armed(),
        "nodes": nodes(),
        "ranges": ranges(),
        "devices": devices(),
        "ports": ports(),
        "windows": windows(),
    }


def build_id() -> str | None:
    """The running kernel's build id in hexadecimal, None when it has none or does not show it."""
    try:
        notes = (paths.SYS / "kernel/notes").read_bytes()
    except OSError:
        return None
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, at)
        name_at = at + 12
        at = name_at + (name_size + 3) // 4 * 4  # each part begins at a multiple of four
        if kind == _BUILD_ID and notes[name_at : name_at + name_size] == b"GNU\0":
            return notes[at : at + size].hex()
        at += (size + 3) // 4 * 4
    return None


def armed() -> list[str] | None:
    """Faults of CONFIG_NODE_PRIVATE_BREAK that are armed; None when the test module is not there to tell."""
    device = paths.DEV / "pnode_test"
    if not os.access(device, os.R_OK | os.W_OK):
        return None
    with TestModule.open(device) as module:
        return module.armed()


def nodes() -> list[dict[str, Any]]:
    """Online nodes: `id`, `bytes` that the kernel manages, `cpus` as a list like 0-1, `distances` by node."""
    found = []
    for nid in node_list("online"):
        node = Node(nid)
        found.append(
            {
                "id": nid,
                "bytes": node.meminfo()["MemTotal"],
                "cpus": paths.read_text(node.path / "cpulist"),
                "distances": {str(other): distance for other, distance in node.distances().items()},
            }
        )
    return found


def ranges() -> list[dict[str, Any]]:
    """DAX devices: memory that nobody has claimed yet, and the node it would be on."""
    return [
        {"name": one.name, "start": one.start, "bytes": one.size, "node": one.target_node}
        for one in dax.devices()
    ]


def devices() -> list[dict[str, Any]]:
    """CXL memory devices: who made them, which one it is, what it runs, how much it has."""
    return [_device(memdev) for memdev in cxl.memdevs()]


def _device(memdev: cxl.Memdev) -> dict[str, Any]:
    function = memdev.path.resolve().parent  # the PCI function it is a part of
    return {
        "name": memdev.name,
        "address": function.name,
        "vendor": _text(function / "vendor"),
        "device": _text(function / "device"),
        "serial": _text(memdev.path / "serial"),
        "firmware": _text(memdev.path / "firmware_version"),
        "volatile": _number(memdev.path / "ram/size"),
        "persistent": _number(memdev.path / "pmem/size"),
        "node": _number(memdev.path / "numa_node"),  # of the PCI device, not of its memory
    }


def ports() -> list[dict[str, Any]]:
    """CXL ports from the root to the devices, parents first: `kind` is root, bridge, switch or device.

    `is` is what the port stands for: a host bridge (ACPI0016:00), a switch (PCI address of its upstream
    port), or a memory device (mem0). `on` is the downstream port of its parent that leads to it, `leads` are
    all downstream ports of its own in the order of their numbers.
    """
    found = []
    for name in [*names("root"), *names("port"), *names("endpoint")]:
        path = on_the_bus() / name
        parent = path.resolve().parent.name
        kind = "root" if name.startswith("root") else "device" if name.startswith("endpoint") else "switch"
        if kind == "switch" and parent.startswith("root"):
            kind = "bridge"
        leads = {int(match[1]): entry for entry in path.iterdir() if (match := _DPORT.fullmatch(entry.name))}
        found.append(
            {
                "name": name,
                "kind": kind,
                "below": None if kind == "root" else parent,
                "is": _target(path / "uport"),
                "on": _target(path / "parent_dport"),
                "leads": [_target(leads[number]) for number in sorted(leads)],
            }
        )
    return found


def windows() -> list[dict[str, Any]]:
    """The CXL windows of the firmware (CFMWS): where, how large, and the host bridges in interleave order."""
    return [
        {
            "name": window.name,
            "start": window.start,
            "bytes": window.size,
            "granularity": window.interleave_granularity,
            "targets": [
                _target(window.path.resolve().parent / f"dport{number}") for number in window.target_list
            ],
        }
        for window in cxl.root_decoders()
    ]


def _target(link: Path) -> str | None:
    """Name of what a link leads to, None without it."""
    return link.resolve().name if link.exists() else None


def _text(path: Path) -> str | None:
    try:
        return paths.read_text(path).strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    try:
        return paths.read_int(path)
    except OSError:
        return None

# SPDX-License-Identifier: GPL-2.0-only
"""The CXL part of a topology: host bridges, ports, switches, devices and windows; and QEMU's words for them.

In a topology file it is the table `tree`:

    bridges  = [{ id, bus }]              PCI expander bridges; bus is the first bus number below
    ports    = [{ id, on }]               root ports, each on a bridge
    switches = [{ id, on, ports }]        a switch on a root port, with its downstream ports
    devices  = [{ id, on, serial, volatile?, persistent? }]    type-3 devices, sizes like "512M"
    windows  = [{ targets, size, node }]  CFMWS: the bridges it interleaves, and the node id it becomes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

GRANULE = 256 << 20  # of a window (CXL 3.1, 9.18.1.3) and of what a device decodes


@dataclass(frozen=True)
class Bridge:
    """A CXL host bridge."""

    id: str
    bus: int


@dataclass(frozen=True)
class Switch:
    """A switch below a root port."""

    id: str
    on: str
    ports: tuple[str, ...]


@dataclass(frozen=True)
class Device:
    """A type-3 device; sizes in bytes, 0 for a kind of memory that it has not got."""

    id: str
    on: str
    serial: int
    volatile: int
    persistent: int


@dataclass(frozen=True)
class Window:
    """A range of host addresses that firmware gives to these host bridges, and the node it belongs to."""

    targets: tuple[str, ...]
    size: int
    node: int


@dataclass(frozen=True)
class Tree:
    """All of it."""

    bridges: tuple[Bridge, ...]
    ports: tuple[tuple[str, str], ...]  # root port, its bridge
    switches: tuple[Switch, ...]
    devices: tuple[Device, ...]
    windows: tuple[Window, ...]

    @property
    def memory(self) -> int:
        """Bytes of the host that all devices can use."""
        return sum(device.volatile + device.persistent for device in self.devices)


def parse(data: Mapping[str, Any], size: Callable[[str], int]) -> Tree:
    """A tree from its table; `size` reads "512M". Raises KeyError, TypeError or ValueError."""
    return Tree(
        bridges=tuple(Bridge(one["id"], one["bus"]) for one in data["bridges"]),
        ports=tuple((one["id"], one["on"]) for one in data["ports"]),
        switches=tuple(Switch(one["id"], one["on"], tuple(one["ports"])) for one in data.get("switches", [])),
        devices=tuple(
            Device(
                one["id"],
                one["on"],
                one["serial"],
                size(one["volatile"]) if "volatile" in one else 0,
                size(one["persistent"]) if "persistent" in one else 0,
            )
            for one in data["devices"]
        ),
        windows=tuple(
            Window(tuple(one["targets"]), size(one["size"]), one["node"]) for one in data["windows"]
        ),
    )


def problem(tree: Tree) -> str | None:
    """The first contradiction in words, or None."""
    bridges = {bridge.id for bridge in tree.bridges}
    roots = {port for port, _ in tree.ports}
    below = {switch.on for switch in tree.switches}
    open_ports = roots - below | {port for switch in tree.switches for port in switch.ports}
    taken = [device.on for device in tree.devices]
    for port, bridge in tree.ports:
        if bridge not in bridges:
            return f"root port {port} is on {bridge!r}, which is no bridge"
    for switch in tree.switches:
        if switch.on not in roots:
            return f"switch {switch.id} is on {switch.on!r}, which is no root port"
    for device in tree.devices:
        if device.on not in open_ports or taken.count(device.on) > 1:
            return f"device {device.id} is on {device.on!r}, which is no free port"
        for nbytes in (device.volatile, device.persistent):
            if nbytes % GRANULE:
                return f"device {device.id}: memory is not a multiple of 256M"
        if not device.volatile + device.persistent:
            return f"device {device.id} has no memory"
    for window in tree.windows:
        if not window.targets or not set(window.targets) <= bridges:
            return f"the window of node {window.node} has targets {list(window.targets)}, not bridges"
        if window.size % (GRANULE * len(window.targets)):
            return f"the window of node {window.node} is not a multiple of 256M for each of its ways"
    serials = [device.serial for device in tree.devices]
    if len(set(serials)) != len(serials):
        return "two devices have the same serial number"
    return None


def qemu(tree: Tree) -> list[str]:
    """QEMU's arguments."""
    argv: list[str] = []
    for bridge in tree.bridges:
        argv += ["-device", f"pxb-cxl,bus_nr={bridge.bus},bus=pcie.0,id={bridge.id}"]
    slot = 1
    for number, (port, on) in enumerate(tree.ports):
        slot += 1
        argv += ["-device", f"cxl-rp,port={number},bus={on},id={port},chassis=0,slot={slot}"]
    for switch in tree.switches:
        argv += ["-device", f"cxl-upstream,bus={switch.on},id={switch.id}"]
        for number, port in enumerate(switch.ports):
            slot += 1
            argv += [
                "-device",
                f"cxl-downstream,port={number},bus={switch.id},id={port},chassis=0,slot={slot}",
            ]
    for device in tree.devices:
        argv += _device(device)
    words = []
    for number, window in enumerate(tree.windows):
        words += [f"cxl-fmw.{number}.targets.{i}={target}" for i, target in enumerate(window.targets)]
        words.append(f"cxl-fmw.{number}.size={window.size}")
    # QEMU takes all windows in one option, or none.
    return [*argv, "-M", ",".join(words)]


def _device(device: Device) -> list[str]:
    argv: list[str] = []
    options = [f"cxl-type3,bus={device.on},id={device.id},sn={device.serial}"]
    for kind, nbytes in (("volatile", device.volatile), ("persistent", device.persistent)):
        if nbytes:
            backend = f"cxl-{device.id}-{kind}"
            argv += ["-object", f"memory-backend-ram,id={backend},size={nbytes}"]
            options.append(f"{kind}-memdev={backend}")
    if device.persistent:
        # Labels of persistent memory need a store of their own.
        argv += ["-object", f"memory-backend-ram,id=cxl-{device.id}-lsa,size=1M"]
        options.append(f"lsa=cxl-{device.id}-lsa")
    return [*argv, "-device", ",".join(options)]

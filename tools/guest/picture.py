# SPDX-License-Identifier: GPL-2.0-only
"""Nodes and CXL tree of a machine, for the terminal: as a topology file promises it, or as a guest found it.

What a guest found is its `machine` event (helpers/machine.py), and nothing of the topology file goes into
that picture: whoever compares the two sees where the kernel, QEMU or the firmware did something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from tools.guest.topology import Topology

__all__ = ["Branch", "Node", "Picture", "draw", "of_machine", "of_topology"]

_LOCAL = 10  # distance of a node to itself: ACPI 6.5, 5.2.17


@dataclass(frozen=True)
class Node:
    """A node with memory of its own: bytes, its CPUs as a list like 0-1, distances by node."""

    id: int
    size: int
    cpus: str
    distances: Mapping[int, int]


@dataclass
class Branch:
    """A thing of the CXL tree, and what is below it."""

    label: str
    below: list[Branch] = field(default_factory=list)


@dataclass(frozen=True)
class Picture:
    """What is drawn, from top to bottom. `ranges`: memory for private nodes; `windows`: CFMWS."""

    title: str
    nodes: Sequence[Node]
    ranges: Sequence[str]
    windows: Sequence[str]
    bridges: Sequence[Branch]


def of_topology(topology: Topology) -> Picture:
    """What a topology file promises."""
    pairs = {(a, b): far for one, other, far in topology.distances for a, b in ((one, other), (other, one))}
    memory = {node.id for node in topology.dram_by_id()}
    return Picture(
        f"{topology.name}: {topology.summary}",
        [
            Node(
                node.id,
                node.size,
                node.cpus or "",
                {other: _LOCAL if other == node.id else pairs[node.id, other] for other in sorted(memory)},
            )
            for node in topology.nodes
        ],
        [
            f"{binary(one.size)} for node {one.id}, "
            + ("CXL memory" if one.start is None else f"at {one.start:#x}")
            for one in topology.private
        ],
        [
            f"{binary(window.size)} for node {window.node}, over {', '.join(window.targets)}"
            for window in (topology.tree.windows if topology.tree else ())
        ],
        list(_promised(topology)),
    )


def _promised(topology: Topology) -> Iterator[Branch]:
    tree = topology.tree
    if tree is None:
        return
    on_port = {
        device.on: Branch(
            f"{device.id}  serial {device.serial:#x}  {_capacity(device.volatile, device.persistent)}"
        )
        for device in tree.devices
    }
    for switch in tree.switches:
        ports = [
            Branch(f"downstream port {port}", [on_port[port]] if port in on_port else [])
            for port in switch.ports
        ]
        on_port[switch.on] = Branch(f"switch {switch.id}", ports)
    for bridge in tree.bridges:
        yield Branch(
            f"host bridge {bridge.id}",
            [
                Branch(f"root port {port}", [on_port[port]] if port in on_port else [])
                for port, on in tree.ports
                if on == bridge.id
            ],
        )


def of_machine(machine: Mapping[str, Any]) -> Picture:
    """What a guest found itself to be."""
    where = "this machine" if machine.get("slot") is None else f"slot{machine['slot']}"
    title = f"{machine['topology']}: as {where} found it"
    if machine.get("error"):
        return Picture(f"{title}: {machine['error']}", [], [], [], [])
    return Picture(
        title,
        [
            Node(
                one["id"],
                one["bytes"],
                one["cpus"],
                {int(other): far for other, far in one["distances"].items()},
            )
            for one in machine["nodes"]
        ],
        [
            f"{binary(one['bytes'])} for node {one['node']}, {one['name']} at {one['start']:#x}"
            for one in machine["ranges"]
        ],
        [
            f"{binary(one['bytes'])} at {one['start']:#x}, over {', '.join(map(str, one['targets']))}"
            for one in machine["windows"]
        ],
        list(_found(machine)),
    )


def _found(machine: Mapping[str, Any]) -> Iterator[Branch]:
    ports = machine["ports"]
    labels = {one["name"]: _device(one) for one in machine["devices"]}
    below: dict[str, list[Mapping[str, Any]]] = {}
    for port in ports:
        if port["below"]:
            below.setdefault(port["below"], []).append(port)

    def branch(port: Mapping[str, Any]) -> Branch:
        if port["kind"] == "device":
            return Branch(labels.pop(port["is"], str(port["is"])))
        lead = "root port" if port["kind"] == "bridge" else "downstream port"
        what = {"root": "root", "bridge": "host bridge", "switch": "switch"}[port["kind"]]
        inner = below.get(port["name"], [])
        found = Branch(f"{what} {port['is']}")
        for name in port["leads"]:
            found.below.append(Branch(f"{lead} {name}", [branch(one) for one in inner if one["on"] == name]))
        # What the kernel hung directly below the port, as it does on a restricted CXL host (RCH).
        found.below += [branch(one) for one in inner if one["on"] not in port["leads"]]
        return found

    for root in ports:
        if root["kind"] == "root":
            known = {one["on"] for one in below.get(root["name"], [])}
            yield from (branch(one) for one in below.get(root["name"], []))
            yield from (Branch(f"host bridge {name}") for name in root["leads"] if name not in known)
    yield from (Branch(f"{label}  (not on any port)") for label in labels.values())


def _device(one: Mapping[str, Any]) -> str:
    return (
        f"{one['name']}  {one['vendor']}:{one['device']}  serial {one['serial']}  "
        f"{_capacity(one['volatile'], one['persistent'])}  {one['firmware'] or ''}".rstrip()
    )


def _capacity(volatile: int | None, persistent: int | None) -> str:
    parts = [(volatile, "volatile"), (persistent, "persistent")]
    return ", ".join(f"{binary(size)} {kind}" for size, kind in parts if size) or "no capacity"


def binary(size: int) -> str:
    """512M, 1G, 923.6M: in the largest unit that it fills."""
    for shift, unit in ((40, "T"), (30, "G"), (20, "M"), (10, "K")):
        if size >= 1 << shift:
            return f"{size / (1 << shift):.1f}".removesuffix(".0") + unit
    return f"{size}B"


def draw(picture: Picture, stream: TextIO) -> None:
    """Print a picture; ASCII where the stream has no other characters, never cut off."""
    console = Console(file=stream, highlight=False, markup=False, soft_wrap=True, width=200)
    root = Tree(Text(picture.title))
    _add_nodes(root, picture.nodes)
    for heading, lines in (("private memory", picture.ranges), ("CXL windows", picture.windows)):
        if lines:
            below = root.add(Text(heading))
            for line in lines:
                below.add(Text(line))
    if picture.bridges:
        _add(root.add(Text("CXL tree")), picture.bridges)
    console.print(root)


def _add_nodes(root: Tree, nodes: Sequence[Node]) -> None:
    if not nodes:
        return
    others = sorted({other for node in nodes for other in node.distances})
    below = root.add(Text("nodes"))
    for node in nodes:
        far = ", ".join(f"{node.distances[other]} to {other}" for other in others if other in node.distances)
        cpus = f"CPUs {node.cpus}" if node.cpus else "no CPU"
        below.add(Text(f"node {node.id}  {binary(node.size)}  {cpus}  distance {far}"))


def _add(parent: Tree, branches: Sequence[Branch]) -> None:
    for branch in branches:
        _add(parent.add(Text(branch.label)), branch.below)

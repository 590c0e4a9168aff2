# SPDX-License-Identifier: GPL-2.0-only
"""Drawings of the topologies: nodes with sizes, CPUs and addresses, and the CXL tree below them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tools.errors import UserError
from tools.guest import topology as topologies
from tools.guest.cxltree import Device, Tree
from tools.guest.topology import OrdinaryNode, PrivateMemory, Topology
from tools.kernel import flavour
from tools.report.events import Event
from tools.report.html.words import size

__all__ = ["Box", "Drawing", "Line", "draw", "drawings_of"]

#: Units of the drawing.
WIDTH = 760.0
GAP = 16.0
LINE_HEIGHT = 17.0
PADDING = 9.0
ROW_GAP = 34.0
PART_HEIGHT = 2 * LINE_HEIGHT + 2 * PADDING
PART_WIDTH = 160.0


@dataclass(frozen=True)
class Box:
    """A rectangle with lines of text. kind: ordinary, private, window, bridge, port, switch or device."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True)
class Line:
    """From the bottom of a box to the top of another."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass
class Drawing:
    """A topology. `distances` has a row for each node of the SLIT: the node, and its distances in order."""

    name: str
    summary: str
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    distances: list[tuple[int, list[int]]] = field(default_factory=list)
    width: float = WIDTH


@dataclass
class _Part:
    """A part of the CXL tree before it has a place."""

    kind: str
    lines: tuple[str, ...]
    children: list[_Part] = field(default_factory=list)

    @property
    def leaves(self) -> int:
        return sum(child.leaves for child in self.children) or 1


def drawings_of(run: Event, names: Sequence[str]) -> list[Drawing]:
    """Of those topologies that the repository has (not of "here", or of one that it no longer has), with the
    memory that the run's flavour of kernel adds."""
    kernel = run.get("kernel")
    wanted = kernel.get("flavour") if isinstance(kernel, Mapping) else None
    more = 0
    if wanted in flavour.names():
        more = flavour.load(str(wanted)).more_memory
    found = []
    for name in names:
        try:
            found.append(draw(topologies.load(name).with_more_memory(more)))
        except UserError:
            continue
    return found


def draw(topology: Topology) -> Drawing:
    """Nodes in a row by id, and below them the CXL tree that memory comes from."""
    drawing = Drawing(topology.name, topology.summary)
    windows = _draw_nodes(drawing, topology)
    if topology.tree is not None:
        _draw_tree(drawing, topology.tree, windows)
    drawing.distances = list(_distances(topology))
    return drawing


def _draw_nodes(drawing: Drawing, topology: Topology) -> dict[int, Box]:
    """Draw the nodes. Returns the boxes of those that are windows, by node id."""
    nodes = list(_nodes(topology))
    width = (WIDTH - GAP * (len(nodes) - 1)) / len(nodes)
    height = max(len(lines) for _, _, lines in nodes) * LINE_HEIGHT + 2 * PADDING
    windows = {}
    for number, (nid, kind, lines) in enumerate(nodes):
        box = Box(kind, number * (width + GAP), 0, width, height, lines)
        drawing.boxes.append(box)
        if topology.tree is not None and nid in {window.node for window in topology.tree.windows}:
            windows[nid] = box
    drawing.height = height
    return windows


def _nodes(topology: Topology) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """(id, kind, lines) of every node, ordinary, private, or a window that nobody uses."""
    starts = topology.starts()
    found: dict[int, tuple[str, tuple[str, ...]]] = {}
    for node in topology.dram_by_id():
        found[node.id] = _dram(node, starts[node.id])
    private = {memory.id: memory for memory in topology.cxl}
    for window in topology.tree.windows if topology.tree else ():
        ways = len(window.targets)
        head = f"CXL window {size(window.size)}" + (f", {ways}-way" if ways > 1 else "")
        memory = private.get(window.node)
        if memory is None:
            found[window.node] = ("window", (f"node {window.node}", head))
        else:
            lines = (f"node {window.node}, private", f"{size(memory.size)} of CXL memory", head)
            found[window.node] = ("private", lines)
    for nid in sorted(found):
        yield nid, *found[nid]


def _dram(node: OrdinaryNode | PrivateMemory, start: int) -> tuple[str, tuple[str, ...]]:
    where = f"{start:#x} - {start + node.size - 1:#x}"
    if isinstance(node, PrivateMemory):
        return "private", (f"node {node.id}, private", f"{size(node.size)} of DRAM", where)
    cpus = f"CPUs {node.cpus}" if node.cpus else "no CPU"
    return "ordinary", (f"node {node.id}", f"{size(node.size)} of DRAM, {cpus}", where)


def _draw_tree(drawing: Drawing, tree: Tree, windows: Mapping[int, Box]) -> None:
    bridges = {bridge.id: _bridge(tree, bridge.id, bridge.bus) for bridge in tree.bridges}
    leaves = sum(part.leaves for part in bridges.values())
    column = min(WIDTH / leaves, PART_WIDTH + 2 * GAP)
    top = drawing.height + ROW_GAP
    # Below the windows, as far as there is room.
    middle = sum(box.middle for box in windows.values()) / len(windows) if windows else WIDTH / 2
    at = min(max(middle - leaves * column / 2, 0.0), WIDTH - leaves * column)
    placed = {}
    for name, part in bridges.items():
        placed[name] = _place(drawing, part, at, top, column)
        at += part.leaves * column
    for window in tree.windows:
        upper = windows[window.node]
        for target in window.targets:
            lower = placed[target]
            drawing.lines.append(Line(upper.middle, upper.y + upper.height, lower.middle, lower.y))
    drawing.height = max(box.y + box.height for box in drawing.boxes)


def _place(drawing: Drawing, part: _Part, left: float, top: float, column: float) -> Box:
    width = min(PART_WIDTH, column - GAP)
    x = left + part.leaves * column / 2 - width / 2
    box = Box(part.kind, x, top, width, PART_HEIGHT, part.lines)
    drawing.boxes.append(box)
    for child in part.children:
        below = _place(drawing, child, left, top + PART_HEIGHT + ROW_GAP, column)
        drawing.lines.append(Line(box.middle, box.y + box.height, below.middle, below.y))
        left += child.leaves * column
    return box


def _bridge(tree: Tree, name: str, bus: int) -> _Part:
    ports = [_port(tree, port, "root port") for port, on in tree.ports if on == name]
    return _Part("bridge", (name, f"host bridge, bus {bus}"), ports)


def _port(tree: Tree, name: str, what: str) -> _Part:
    below = [
        _Part(
            "switch", (switch.id, "switch"), [_port(tree, port, "downstream port") for port in switch.ports]
        )
        for switch in tree.switches
        if switch.on == name
    ]
    below += [_device(device) for device in tree.devices if device.on == name]
    return _Part("port", (name, what), below)


def _device(device: Device) -> _Part:
    kinds = (("volatile", device.volatile), ("persistent", device.persistent))
    memory = ", ".join(f"{size(nbytes)} {kind}" for kind, nbytes in kinds if nbytes)
    return _Part("device", (f"{device.id}, type 3", memory))


def _distances(topology: Topology) -> Iterator[tuple[int, list[int]]]:
    ids = [node.id for node in topology.dram_by_id()]
    known = {frozenset((a, b)): distance for a, b, distance in topology.distances}
    for one in ids:
        yield one, [10 if one == other else known[frozenset((one, other))] for other in ids]

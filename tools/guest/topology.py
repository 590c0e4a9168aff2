# SPDX-License-Identifier: GPL-2.0-only
"""What a guest is made of: topologies/*.toml, parsed and checked."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tools.guest import cxltree
from tools.guest.cxltree import Tree
from tools.guest.errors import GuestError

FOLDER = Path(__file__).with_name("topologies")
# What a run covers unless somebody chooses.
DEFAULT = ("fast", "cxl")

MIB = 1 << 20
GIB = 1 << 30

# x86-64 with less than 64 GiB.
MEMORY_BLOCK = 128 * MIB
# Where q35 continues RAM that does not fit below the PCI hole.
HIGH_MEMORY = 4 * GIB
MIN_PRIVATE_BLOCKS = 2
# Proximity domain of a generic port, where a topology has one.
PORT_DOMAIN = 1

_SIZE = re.compile(r"(\d+)([KMG])")
_UNITS = {"K": 1 << 10, "M": MIB, "G": GIB}

AccelRule = Literal["probe", "tcg", "kvm"]


@dataclass(frozen=True)
class OrdinaryNode:
    """A node that is memory from boot. `cpus` is QEMU's list of vCPU numbers, or None."""

    id: int
    size: int
    cpus: str | None


@dataclass(frozen=True)
class PrivateMemory:
    """Memory for a private node that no kernel has claimed at boot. `start` is its physical address, None
    for CXL.
    """

    id: int
    size: int
    source: Literal["dram", "cxl"]
    start: int | None


@dataclass(frozen=True)
class Performance:
    """What the firmware's HMAT says of the way from node 0's CPUs to an ordinary node, or to a CXL host
    bridge (then it is a generic port). latency in ns, bandwidth in MiB/s.
    """

    node: int | None
    bridge: str | None
    latency: int
    bandwidth: int


@dataclass(frozen=True)
class Topology:
    """One kind of guest. Sizes in bytes. Of the `vcpus` so many as `online` says are so from boot, the others
    for tests marked every_cpu (inside/guest_cpus.py).
    """

    name: str
    summary: str
    accel: AccelRule
    vcpus: int
    online: int
    low_memory: int
    nodes: tuple[OrdinaryNode, ...]
    private: tuple[PrivateMemory, ...]
    distances: tuple[tuple[int, int, int], ...]
    tree: Tree | None
    provides: tuple[str, ...]
    boot: tuple[str, ...]
    performance: tuple[Performance, ...] = ()

    @property
    def port(self) -> Performance | None:
        """The generic port, if the firmware is to tell of one."""
        return next((one for one in self.performance if one.bridge is not None), None)

    def domain(self, nid: int) -> int:
        """Proximity domain of a node. The generic port has one of its own, before the last of memory: the
        kernel numbers domains of windows from there on, and must not take it for one of them.
        """
        return nid + 1 if self.port is not None and nid >= PORT_DOMAIN else nid

    @property
    def ram(self) -> int:
        """QEMU's -m: ordinary memory and private DRAM."""
        return sum(node.size for node in self.nodes) + sum(m.size for m in self.private if m.source == "dram")

    @property
    def sockets(self) -> int:
        """One a node with CPUs: the kernel complains of CPUs on different nodes that share a cache."""
        return max(1, sum(node.cpus is not None for node in self.nodes))

    @property
    def memory(self) -> int:
        """The most memory of the host that one guest can use, without QEMU's own."""
        return self.ram + (self.tree.memory if self.tree else 0)

    @property
    def cxl(self) -> tuple[PrivateMemory, ...]:
        """Private memory behind CXL."""
        return tuple(memory for memory in self.private if memory.source == "cxl")

    def with_more_memory(self, nbytes: int) -> Topology:
        """The same with a larger node 0, whose end is where addresses go on at 4 GiB: all others stay where
        they are.
        """
        first, *others = self.nodes
        return replace(
            self,
            low_memory=self.low_memory + nbytes,
            nodes=(replace(first, size=first.size + nbytes), *others),
        )

    def dram_by_id(self) -> list[OrdinaryNode | PrivateMemory]:
        """What is RAM to QEMU, by node id: the order of the SRAT and of addresses."""
        dram = [memory for memory in self.private if memory.source == "dram"]
        return sorted([*self.nodes, *dram], key=lambda node: node.id)

    def starts(self) -> dict[int, int]:
        """Physical address of each DRAM node, by id."""
        return _starts([(node.id, node.size) for node in self.dram_by_id()], self.low_memory)


def names() -> list[str]:
    """The topologies there are."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Topology:
    """A topology by name. Raises GuestError for an unknown name or a file that contradicts itself."""
    path = FOLDER / f"{name}.toml"
    if name not in names():
        raise GuestError(f"unknown topology {name!r}; there are: {', '.join(names())}")
    return parse(name, path.read_text())


def parse(name: str, text: str) -> Topology:
    """A topology from TOML text with one table called `name`. Raises GuestError, naming the key, when it is
    wrong.
    """
    try:
        data = tomllib.loads(text)[name]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise GuestError(f"topology {name}: {error}") from error
    try:
        topology = _build(name, data)
    except KeyError as error:
        raise GuestError(f"topology {name}: {error.args[0]} is missing") from error
    except (TypeError, ValueError) as error:
        raise GuestError(f"topology {name}: {error}") from error
    if problem := _problem(topology):
        raise GuestError(f"topology {name}: {problem}")
    return topology


def size(text: str) -> int:
    """Bytes from "512M". Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no size like 512M")
    return int(match[1]) * _UNITS[match[2]]


def _build(name: str, data: dict[str, Any]) -> Topology:
    nodes = tuple(OrdinaryNode(n["id"], size(n["size"]), n.get("cpus")) for n in data["nodes"])
    low_memory = size(data["low_memory"])
    dram = [(n.id, n.size) for n in nodes] + [
        (m["id"], size(m["size"])) for m in data["private"] if m["from"] == "dram"
    ]
    starts = _starts(dram, low_memory)
    private = tuple(
        PrivateMemory(m["id"], size(m["size"]), m["from"], starts.get(m["id"])) for m in data["private"]
    )
    return Topology(
        name=name,
        summary=data["summary"],
        accel=data["accel"],
        vcpus=data["vcpus"],
        online=data.get("online", data["vcpus"]),
        low_memory=low_memory,
        nodes=nodes,
        private=private,
        distances=tuple((a, b, distance) for a, b, distance in data["distances"]),
        tree=cxltree.parse(data["tree"], size) if "tree" in data else None,
        provides=tuple(data["provides"]),
        boot=tuple(data["boot"]),
        performance=tuple(
            Performance(one.get("node"), one.get("bridge"), one["latency"], one["bandwidth"])
            for one in data.get("performance", [])
        ),
    )


def _starts(dram: Iterable[tuple[int, int]], low_memory: int) -> dict[int, int]:
    """Addresses at which nodes begin, from their ids and sizes: in the order of the ids, and from 4 GiB on
    for what comes after the low memory.
    """
    starts: dict[int, int] = {}
    at = 0
    for node, length in sorted(dram):
        starts[node] = at
        at += length
        if at == low_memory:
            at = HIGH_MEMORY
    return starts


def _problem(topology: Topology) -> str | None:
    """The first contradiction in words, or None."""
    ids = sorted([node.id for node in topology.nodes] + [memory.id for memory in topology.private])
    dram = topology.dram_by_id()
    with_cpus = sorted(node.id for node in topology.nodes if node.cpus is not None)
    pairs = {frozenset(pair[:2]) for pair in topology.distances}
    if topology.accel not in ("probe", "tcg", "kvm"):
        return f"accel is {topology.accel!r}, not probe, tcg or kvm"
    if not 1 <= topology.online <= topology.vcpus:
        return f"online is {topology.online}, of {topology.vcpus} vcpus"
    if ids != list(range(len(ids))):
        return f"node ids are {ids}; Linux numbers nodes from 0 without gaps"
    if with_cpus != list(range(len(with_cpus))):
        return f"nodes {with_cpus} have CPUs; Linux numbers those first"
    if not dram or dram[0].size != topology.low_memory:
        return "node 0 has to be exactly low_memory, else addresses of the others are unknown"
    for memory in topology.private:
        if memory.source not in ("dram", "cxl"):
            return f"private node {memory.id} is from {memory.source!r}, not dram or cxl"
        if memory.size % MEMORY_BLOCK or memory.size < MIN_PRIVATE_BLOCKS * MEMORY_BLOCK:
            return f"private node {memory.id} needs {MIN_PRIVATE_BLOCKS} or more whole memory blocks of 128M"
        if memory.source == "dram" and (memory.start is None or memory.start % MEMORY_BLOCK):
            return f"private node {memory.id} does not start at a memory block"
    if told := _cxl_problem(topology, [node.id for node in dram]):
        return told
    if pairs != {frozenset(pair) for pair in itertools.combinations([node.id for node in dram], 2)}:
        return "distances have to name each pair of DRAM nodes once"
    if told := _performance_problem(topology, [node.id for node in dram]):
        return told
    if any(distance <= 10 or distance > 254 for _, _, distance in topology.distances):
        return "a distance to another node is 11 to 254"
    return None


def _performance_problem(topology: Topology, dram: list[int]) -> str | None:
    if not topology.performance:
        return None
    bridges = [bridge.id for bridge in topology.tree.bridges] if topology.tree else []
    nodes = [one.node for one in topology.performance if one.node is not None]
    ports = [one.bridge for one in topology.performance if one.bridge is not None]
    if sorted(nodes) != dram or len(dram) <= PORT_DOMAIN:
        return f"performance has to name each DRAM node once, and more than {PORT_DOMAIN} of them"
    if len(ports) != 1 or ports[0] not in bridges or len(topology.performance) != len(dram) + 1:
        return "performance has to name one bridge"
    return None


def _cxl_problem(topology: Topology, dram: list[int]) -> str | None:
    tree = topology.tree
    if tree is None:
        return "private memory from cxl, and no tree it could be in" if topology.cxl else None
    if told := cxltree.problem(tree):
        return told
    nodes = [window.node for window in tree.windows]
    if nodes != list(range(len(dram), len(dram) + len(nodes))):
        return f"windows become nodes {nodes}; Linux numbers them after those of the SRAT, in their order"
    if not {memory.id for memory in topology.cxl} <= set(nodes):
        return "a private node from cxl has to be that of a window"
    if sum(memory.size for memory in topology.cxl) > sum(device.volatile for device in tree.devices):
        return "more private memory from cxl than the devices have"
    return None

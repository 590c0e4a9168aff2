# SPDX-License-Identifier: GPL-2.0-only
"""MPL-16: P is used up to its watermarks although no kswapd keeps it free, and nothing falls to D before."""

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MADV_POPULATE_WRITE, Mode
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import Residency, residency
from helpers.testmod import NodeFlags, OnlineType, TestModule
from selftests.mempolicy.placing import HUGE, OPEN, Faulted, fault, nearest

ROOM = 4096  # pages
#: Pages that may be needed beside the memory itself, or go to the lists of CPUs meanwhile.
SLACK = 256
zones = pytest.mark.parametrize(
    "online",
    [pytest.param(OnlineType.MOVABLE, id="movable"), pytest.param(OnlineType.KERNEL, id="kernel")],
)


def room(node: PrivateNode) -> int:
    """Pages that any CPU can have of the node before a watermark matters: not those on the lists of one."""
    zones = node.node.zones()
    high = sum(zone.watermarks.high + zone.watermarks.boost for zone in zones)
    return sum(zone.free for zone in zones) - high - SLACK


def assert_no_kswapd(node: PrivateNode) -> None:
    assert not node.state().flags & NodeFlags.KSWAPD, f"{node} has a kswapd, this shows nothing"


@requirement("MPL-16")
@zones
@pytest.mark.parametrize("thp", [False, True], ids=["base", "huge"])
@pytest.mark.parametrize("mode", [Mode.BIND, Mode.PREFERRED], ids=lambda mode: mode.name.lower())
def test_all_of_the_room_is_used(
    open_node: OpenNode, faulted: Faulted, mode: Mode, online: OnlineType, thp: bool
) -> None:
    node = open_node(OPEN, online=online)
    assert_no_kswapd(node)
    with node.fill(leave=ROOM):
        pages = room(node) // HUGE * HUGE
        assert pages >= 2 * HUGE, f"{node}: room for {pages} pages only"
        where = faulted(mode, [node.nid], pages, thp=thp)
    assert where.all_on(node.nid), f"{mode.name} {node}, {pages} pages: {where}"


@requirement("MPL-16")
@pytest.mark.local
@pytest.mark.parametrize("mask", ["PE", "PQ", "PQE"])
def test_nearest_private_node_of_several(
    nodes: dict[str, int], p: PrivateNode, q: PrivateNode, ordinary_node: Node, faulted: Faulted, mask: str
) -> None:
    nids = [nodes[letter] for letter in mask]
    first = next((node for node in (p, q) if nearest(ordinary_node, nids) == {node.nid}), None)
    if first is None:
        pytest.skip("needs a private node nearer than the second ordinary one")
    with first.fill(leave=ROOM):
        pages = room(first)
        where = faulted(Mode.BIND, nids, pages)
    assert where.all_on(first.nid), f"BIND {nids}, {first} has room for {pages} pages: {where}"


@requirement("MPL-16")
def test_home_node(nodes: dict[str, int], p: PrivateNode) -> None:
    with p.fill(leave=ROOM):
        pages = room(p)
        with Mapping.anonymous(pages) as memory:
            memory.bind(Mode.BIND, [nodes["D"], nodes["P"]])
            syscalls.set_mempolicy_home_node(memory.addr, memory.nbytes, nodes["P"])
            memory.advise(MADV_POPULATE_WRITE)
            where = residency(memory)
    assert where.all_on(p.nid), f"BIND {{D,P}}, home P: {where}"


@requirement("MPL-16")
@core
def test_room_that_comes_back_is_used_again(p: PrivateNode, mod: TestModule, child: ChildFactory) -> None:
    """A node that was full is not given up: nobody has to reclaim there first."""

    def again() -> list[Residency]:
        found = []
        for _turn in range(3):
            with p.fill():
                found.append(fault(mod, "set_mempolicy", Mode.PREFERRED, [p.nid]))
            found.append(fault(mod, "set_mempolicy", Mode.PREFERRED, [p.nid]))
        return found

    where = child(again)
    assert not any(one.any_on(p.nid) for one in where[::2]), f"P full: {[str(one) for one in where[::2]]}"
    assert all(one.all_on(p.nid) for one in where[1::2]), f"P free: {[str(one) for one in where[1::2]]}"

# SPDX-License-Identifier: GPL-2.0-only
"""ISO-03 and ISO-04: who asks gets the node's memory, and learns when there is no more. That nobody is killed
for it is checked with every test: an OOM kill in the kernel log is a violation."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.pressure import SwapFactory
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory, where
from helpers.constants import Mode
from helpers.nodes import Node
from helpers.testmod import Entry, OnlineType, TestModule
from selftests.isolation.world import BY_NODE, OPEN, PAGES, World, all_on, assert_ordinary, label


@requirement("ISO-03", "ISO-04")
@pytest.mark.parametrize("entry", BY_NODE, ids=label)
def test_who_asks_is_served_while_there_is_room(world: World, alloc: AllocFactory, entry: Entry) -> None:
    for flags in (world.gfp.PRIVATE, world.gfp.GFP_PRIVATE):
        taken = alloc(entry, world.node, gfp=world.base | flags, count=PAGES)
        seen = f"{entry.name}, gfp {world.gfp.names(flags)}: {where(taken)}"
        assert all_on(taken, world.node), seen
        assert taken is not None
        assert len(set(taken.pfns)) == PAGES, f"not {PAGES} different pages: {seen}"


@requirement("ISO-03")
def test_full_node_falls_back(world: World, alloc: AllocFactory, ordinary_nodes: list[Node]) -> None:
    gfp = world.base | world.gfp.PRIVATE
    with world.node.fill():
        for entry in BY_NODE:
            taken = alloc(entry, world.node, gfp=gfp, count=PAGES)
            assert_ordinary(taken, ordinary_nodes, f"{entry.name} with P full")
    again = alloc(Entry.ALLOC_PAGES_NODE, world.node, gfp=gfp, count=PAGES)
    assert all_on(again, world.node), f"with room again: {where(again)}"


@requirement("ISO-04")
def test_full_node_fails_who_wants_no_other(world: World, alloc: AllocFactory) -> None:
    gfp = world.base | world.gfp.GFP_PRIVATE
    with world.node.fill():
        for entry in BY_NODE:
            taken = alloc(entry, world.node, gfp=gfp, count=PAGES)
            assert taken is None, f"{entry.name} with P full: {where(taken)}"
    again = alloc(Entry.ALLOC_PAGES_NODE, world.node, gfp=gfp, count=PAGES)
    assert all_on(again, world.node), f"with room again: {where(again)}"


def nodes_of(mod: TestModule, nid: int, gfp: int) -> set[int]:
    """For a child: where a page is that was asked for by who may wait."""
    with mod.alloc(Entry.ALLOC_PAGES_NODE, nid, gfp=gfp) as got:
        return set(got.on_node)


@requirement("ISO-04")
@pytest.mark.core
def test_full_node_makes_nobody_wait(
    open_node: OpenNode, anon: AnonFactory, mod: TestModule, child: ChildFactory, swap: SwapFactory
) -> None:
    """Who reclaims memory waits for kswapd when a node with ZONE_NORMAL is down to half of its reserves and
    has pages to reclaim. P's pages are none of those, and it has no kswapd."""
    swap()
    node = open_node(OPEN, online=OnlineType.KERNEL)
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE
    with node.fill(reserves=True):
        assert child(nodes_of, mod, node.nid, gfp, timeout=15) == set(), f"{node} is full"
    assert child(nodes_of, mod, node.nid, gfp, timeout=15) == {node.nid}, "the control: with room"
    memory.verify()


@requirement("ISO-04")
def test_no_large_block_left(world: World, alloc: AllocFactory) -> None:
    gfp = world.base | world.gfp.GFP_PRIVATE | world.gfp.COMP
    for order in (3, 9):
        first = alloc(Entry.ALLOC_PAGES_NODE, world.node, gfp=gfp, order=order)
        assert all_on(first, world.node), f"order {order}: {where(first)}"
        with world.node.fill():
            taken = alloc(Entry.ALLOC_PAGES_NODE, world.node, gfp=gfp, order=order)
            assert taken is None, f"order {order} with P full: {where(taken)}"


@requirement("ISO-03", "ISO-04")
def test_nearly_every_page_can_be_had(world: World) -> None:
    managed = world.node.managed_pages()
    with world.node.fill(reserves=True) as taken:
        assert taken >= managed * 95 // 100, f"{taken} of {managed} pages, {world.node.free_pages()} left"


@requirement("ISO-03", "ISO-04")
@pytest.mark.core
def test_asked_pages_are_the_nodes_own(
    closed_node: PrivateNode, alloc: AllocFactory, testmod: TestModule
) -> None:
    page_size = testmod.handshake.page_size
    first, end = closed_node.start // page_size, (closed_node.start + closed_node.size) // page_size
    for entry in BY_NODE:
        taken = alloc(entry, closed_node, gfp=testmod.gfp.HIGHUSER_MOVABLE | testmod.gfp.GFP_PRIVATE, count=8)
        assert all_on(taken, closed_node), f"{entry.name}: {where(taken)}"
        assert taken is not None
        outside = [hex(pfn) for pfn in taken.pfns if not first <= pfn < end]
        assert not outside, f"{entry.name}: frames {outside} are not in the plugged range"


@requirement("ISO-04")
def test_kernel_request_finds_nothing_in_a_movable_node(
    closed_node: PrivateNode, alloc: AllocFactory, testmod: TestModule
) -> None:
    """Asking opens the gate, not the zone: what cannot move has no place in ZONE_MOVABLE."""
    gfp = testmod.gfp
    refused = alloc(Entry.ALLOC_PAGES_NODE, closed_node, gfp=gfp.KERNEL | gfp.GFP_PRIVATE)
    assert refused is None, f"GFP_KERNEL in the movable zone: {where(refused)}"
    control = alloc(Entry.ALLOC_PAGES_NODE, closed_node, gfp=gfp.HIGHUSER_MOVABLE | gfp.GFP_PRIVATE)
    assert all_on(control, closed_node), where(control)

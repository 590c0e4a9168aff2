# SPDX-License-Identifier: GPL-2.0-only
"""ISO-02 and ISO-06: __GFP_THISNODE says "do not fall back", it is no way in."""

import pytest

from fixtures.nodes import PrivateNode, unchanged_free_pages
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory, where
from helpers.nodes import Node, node_list
from helpers.testmod import Entry, OnlineType, TestModule
from selftests.isolation.world import BY_NODE, PAGES, World, all_on, assert_ordinary, assert_untouched, label


@requirement("ISO-02")
@pytest.mark.parametrize("entry", BY_NODE, ids=label)
def test_thisnode_alone_gets_nothing(world: World, alloc: AllocFactory, entry: Entry) -> None:
    with unchanged_free_pages(world.node):
        taken = alloc(entry, world.node, gfp=world.base | world.gfp.THISNODE, count=PAGES)
        assert taken is None, f"{entry.name}: {where(taken)}"
    control = alloc(entry, world.far, gfp=world.base | world.gfp.THISNODE, count=PAGES)
    assert all_on(control, world.far), f"{entry.name} on {world.far}: {where(control)}"


@requirement("ISO-02")
def test_thisnode_gets_no_large_block(world: World, alloc: AllocFactory) -> None:
    gfp = world.base | world.gfp.THISNODE | world.gfp.COMP
    for order in (1, 4, 9, 10):
        taken = alloc(Entry.ALLOC_PAGES_NODE, world.node, gfp=gfp, order=order)
        assert taken is None, f"order {order}: {where(taken)}"
        control = alloc(Entry.ALLOC_PAGES_NODE, world.far, gfp=gfp, order=order)
        assert all_on(control, world.far), f"order {order}: {where(control)}"


@requirement("ISO-02")
def test_no_other_flag_opens_the_gate(world: World, alloc: AllocFactory) -> None:
    gfp = world.gfp
    flags = [gfp.ZERO, gfp.NORETRY, gfp.RETRY_MAYFAIL, gfp.HARDWALL, gfp.ACCOUNT, gfp.HIGH, gfp.COMP,
             gfp.MEMALLOC, gfp.NOMEMALLOC]  # fmt: skip
    if world.node.online is OnlineType.KERNEL:
        flags += [gfp.RECLAIMABLE, gfp.MOVABLE]
    for flag in flags:
        request = world.base | gfp.THISNODE | flag
        taken = alloc(Entry.ALLOC_PAGES_NODE, world.node, gfp=request)
        assert taken is None, f"{gfp.names(request)}: {where(taken)}"
        control = alloc(Entry.ALLOC_PAGES_NODE, world.far, gfp=request)
        assert all_on(control, world.far), f"{gfp.names(request)}: {where(control)}"


@requirement("ISO-02")
@pytest.mark.core
def test_thisnode_gets_nothing_and_takes_nothing(
    closed_node: PrivateNode, alloc: AllocFactory, ordinary_node: Node, testmod: TestModule
) -> None:
    gfp = testmod.gfp.HIGHUSER_MOVABLE | testmod.gfp.THISNODE
    for entry in BY_NODE:
        taken = alloc(entry, closed_node, gfp=gfp, count=4)
        assert taken is None, f"{entry.name}: {where(taken)}"
        assert all_on(alloc(entry, ordinary_node, gfp=gfp, count=4), ordinary_node), entry.name
    assert_untouched(closed_node)


@requirement("ISO-01", "ISO-02")
def test_gate_in_every_setting(every_world: World, alloc: AllocFactory, ordinary_nodes: list[Node]) -> None:
    node, gfp = every_world.node, every_world.base
    for entry in BY_NODE:
        taken = alloc(entry, node, gfp=gfp | every_world.gfp.THISNODE, count=PAGES)
        assert taken is None, f"{entry.name} with THISNODE: {where(taken)}"
        assert_ordinary(alloc(entry, node, gfp=gfp, count=PAGES), ordinary_nodes, entry.name)
    assert_untouched(node)
    asked = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=gfp | every_world.gfp.GFP_PRIVATE, count=PAGES)
    assert all_on(asked, node), f"with the flag: {where(asked)}"


@requirement("ISO-06")
def test_loop_over_possible_nodes(world: World, second_closed_node: PrivateNode, alloc: AllocFactory) -> None:
    for entry in BY_NODE:
        found = {
            nid: alloc(entry, nid, gfp=world.base | world.gfp.THISNODE, count=PAGES)
            for nid in node_list("possible")
        }
        seen = "; ".join(f"asked node {nid}: {where(taken)}" for nid, taken in found.items())
        served = {nid for nid, taken in found.items() if taken}
        assert served == {node.nid for node in world.ordinary}, f"{entry.name}: {seen}"
        assert all(taken.nid == nid for nid, taken in found.items() if taken), f"{entry.name}: {seen}"
    assert_untouched(world.node, second_closed_node)

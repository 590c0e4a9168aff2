# SPDX-License-Identifier: GPL-2.0-only
"""ISO-01 and ISO-12: preferring P without asking for it, and asking for memory that is not private."""

from itertools import product

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory, where
from helpers.nodes import Node
from helpers.testmod import Entry, TestModule
from selftests.isolation.world import BY_NODE, PAGES, World, all_on, assert_ordinary, fill_nearest, label


@requirement("ISO-01")
@pytest.mark.parametrize("entry", BY_NODE, ids=label)
def test_preferring_p_gives_ordinary_memory(
    world: World, alloc: AllocFactory, ordinary_nodes: list[Node], entry: Entry
) -> None:
    assert_ordinary(alloc(entry, world.node, gfp=world.base, count=PAGES), ordinary_nodes, entry.name)
    control = alloc(entry, world.far, gfp=world.base, count=PAGES)
    assert all_on(control, world.far), f"the preferred node is not honoured: {where(control)}"


@requirement("ISO-01")
def test_preferring_p_for_large_blocks(world: World, alloc: AllocFactory, ordinary_nodes: list[Node]) -> None:
    gfp = world.base | world.gfp.COMP
    for order in (3, 9):
        taken = alloc(Entry.ALLOC_PAGES_NODE, world.node, gfp=gfp, order=order, count=2)
        assert_ordinary(taken, ordinary_nodes, f"order {order}")
        control = alloc(Entry.ALLOC_PAGES_NODE, world.far, gfp=gfp, order=order, count=2)
        assert all_on(control, world.far), f"order {order}, node not honoured: {where(control)}"


@requirement("ISO-01")
@pytest.mark.core
def test_flag_alone_tells_two_requests_apart(
    closed_node: PrivateNode, alloc: AllocFactory, ordinary_nodes: list[Node], testmod: TestModule
) -> None:
    """Same node, same entry points; only one of the two asks."""
    for entry in BY_NODE:
        gfp = testmod.gfp.HIGHUSER_MOVABLE
        assert_ordinary(alloc(entry, closed_node, gfp=gfp, count=4), ordinary_nodes, entry.name)
        asked = alloc(entry, closed_node, gfp=gfp | testmod.gfp.GFP_PRIVATE, count=4)
        assert all_on(asked, closed_node), f"{entry.name} with GFP_PRIVATE: {where(asked)}"


@requirement("ISO-01")
@pytest.mark.local
@pytest.mark.disruptive
def test_task_default_policy_gives_ordinary_memory(
    world: World, alloc: AllocFactory, mod: TestModule, ordinary_nodes: list[Node]
) -> None:
    """From the CPU's node, and with that full from the next one, which P is not though it may be nearer."""
    taken = alloc(Entry.FOLIO_ALLOC_TASK, -1, gfp=world.base, count=PAGES)
    assert all_on(taken, world.ordinary[0]), f"not from the nearest node: {where(taken)}"
    full = fill_nearest(mod, world.ordinary)
    taken = alloc(Entry.FOLIO_ALLOC_TASK, -1, gfp=world.base, count=PAGES)
    assert_ordinary(taken, ordinary_nodes, "folio_alloc with the nearest node full")
    assert not all_on(taken, full), f"no pressure: {where(taken)}"


@requirement("ISO-12")
def test_flag_towards_ordinary_nodes_changes_nothing(world: World, alloc: AllocFactory) -> None:
    for entry, node in product(BY_NODE, world.ordinary):
        for extra in (0, world.gfp.THISNODE):
            plain = alloc(entry, node, gfp=world.base | extra, count=PAGES)
            asked = alloc(entry, node, gfp=world.base | extra | world.gfp.PRIVATE, count=PAGES)
            seen = f"{entry.name}, {node}, gfp {world.gfp.names(extra)}: {where(plain)}"
            assert all_on(plain, node), seen
            assert all_on(asked, node), f"{seen}; with PRIVATE {where(asked)}"


@requirement("ISO-12")
def test_flag_does_not_lead_from_a_full_ordinary_node_to_p(
    world: World, alloc: AllocFactory, short_of_memory: Node, ordinary_nodes: list[Node]
) -> None:
    for entry, extra in product(BY_NODE, (0, world.gfp.PRIVATE)):
        what = f"{entry.name}, gfp {world.gfp.names(extra)}, from a full node"
        taken = alloc(entry, short_of_memory, gfp=world.base | extra, count=PAGES)
        assert_ordinary(taken, ordinary_nodes, what)
        assert taken is not None
        assert any(node.nid in taken.on_node for node in world.ordinary[1:]), f"{what}: {where(taken)}"
    for extra in (world.gfp.THISNODE, world.gfp.GFP_PRIVATE):
        alone = alloc(Entry.ALLOC_PAGES_NODE, short_of_memory, gfp=world.light | extra, order=9)
        assert alone is None, f"gfp {world.gfp.names(extra)}, a full node alone: {where(alone)}"

# SPDX-License-Identifier: GPL-2.0-only
"""ISO: nothing reaches a node that a driver has made unless it asks for it."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import unchanged_free_pages
from fixtures.private import PrivateNode
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory, where
from helpers.constants import Mode
from helpers.nodes import Node, node_list
from helpers.residency import residency
from helpers.testmod import Entry, TestModule
from selftests.isolation.world import BY_MASK, BY_NODE, PAGES, World, all_on, assert_ordinary, label


@pytest.fixture
def world(provisioned_node: PrivateNode, testmod: TestModule) -> World:
    """P as it is found, and the request that it could serve."""
    return World(provisioned_node, testmod.gfp)


@requirement("ISO-01", "ISO-13")
@pytest.mark.parametrize("entry", BY_NODE, ids=label)
def test_preferring_it_is_served_elsewhere(
    world: World, alloc: AllocFactory, ordinary_nodes: list[Node], entry: Entry
) -> None:
    with unchanged_free_pages(world.node):
        taken = alloc(entry, world.node, gfp=world.base, count=PAGES)
        assert_ordinary(taken, ordinary_nodes, entry.name)


@requirement("ISO-02", "ISO-13")
@pytest.mark.parametrize("entry", BY_NODE, ids=label)
def test_thisnode_alone_gets_nothing(
    world: World, alloc: AllocFactory, ordinary_node: Node, entry: Entry
) -> None:
    with unchanged_free_pages(world.node):
        taken = alloc(entry, world.node, gfp=world.base | world.gfp.THISNODE, count=PAGES)
        assert taken is None, f"{entry.name}: {where(taken)}"
    control = alloc(entry, ordinary_node, gfp=world.base | world.gfp.THISNODE, count=PAGES)
    assert all_on(control, ordinary_node), f"{entry.name} on {ordinary_node}: {where(control)}"


@requirement("ISO-03", "ISO-04")
@pytest.mark.parametrize("entry", BY_NODE, ids=label)
def test_who_asks_for_it_gets_it(world: World, alloc: AllocFactory, entry: Entry) -> None:
    for flag in ("PRIVATE", "GFP_PRIVATE"):
        gfp = world.base | getattr(world.gfp, flag)
        taken = alloc(entry, world.node, gfp=gfp, count=PAGES)
        assert all_on(taken, world.node), f"{entry.name} with {flag}: {where(taken)}"


@requirement("ISO-05", "ISO-13")
@pytest.mark.parametrize("entry", BY_MASK, ids=label)
def test_a_nodemask_is_no_way_in(
    world: World, alloc: AllocFactory, ordinary_nodes: list[Node], entry: Entry
) -> None:
    every = list(node_list("possible"))
    with unchanged_free_pages(world.node):
        for preferred in (world.node, ordinary_nodes[0]):
            taken = alloc(entry, preferred, gfp=world.base, count=PAGES, nodemask=every)
            assert_ordinary(taken, ordinary_nodes, f"{entry.name} preferring {preferred}")


@requirement("ISO-06")
def test_loop_over_possible_nodes(world: World, alloc: AllocFactory, ordinary_nodes: list[Node]) -> None:
    gfp = world.base | world.gfp.THISNODE
    served = {nid for nid in node_list("possible") if alloc(Entry.ALLOC_PAGES_NODE, nid, gfp=gfp)}
    assert world.node.nid not in served, f"served: nodes {sorted(served)}"
    assert ordinary_nodes[0].nid in served, f"served: nodes {sorted(served)}"


@requirement("ISO-08")
def test_no_ordinary_list_has_it(world: World, alloc: AllocFactory, ordinary_node: Node) -> None:
    gfp = world.light | world.gfp.PRIVATE
    entry = Entry.ALLOC_PAGES_NODEMASK
    taken = alloc(entry, ordinary_node, gfp=gfp, nodemask=[world.node.nid])
    assert taken is None, f"{where(taken)}"
    control = alloc(entry, world.node, gfp=gfp, nodemask=[world.node.nid])
    assert all_on(control, world.node), f"the control, preferring it: {where(control)}"


@requirement("ISO-20")
def test_default_policy_never_lands_on_it(
    provisioned_node: PrivateNode, anon: AnonFactory, ordinary_nodes: list[Node]
) -> None:
    with unchanged_free_pages(provisioned_node):
        memory = anon(PAGES)
        memory.touch()
        found = residency(memory)
    assert not found.any_on(provisioned_node.nid), f"{found}"
    assert any(found.any_on(node.nid) for node in ordinary_nodes), f"{found}"


@requirement("ISO-23")
def test_interleaving_over_all_of_has_memory(provisioned_closed_node: PrivateNode, anon: AnonFactory) -> None:
    memory = anon(PAGES)
    memory.bind(Mode.INTERLEAVE, list(node_list("has_memory")))
    memory.touch()
    found = residency(memory)
    assert not found.any_on(provisioned_closed_node.nid), f"{found}"
    assert {nid for nid in node_list("has_memory") if found.any_on(nid)} == set(node_list("has_memory"))

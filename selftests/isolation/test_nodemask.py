# SPDX-License-Identifier: GPL-2.0-only
"""ISO-05, ISO-07 and ISO-08: a nodemask filters the fallback list, it neither opens nor replaces it."""

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory, where
from helpers.nodes import Node, node_list
from helpers.testmod import TestModule
from selftests.isolation.world import BY_MASK, PAGES, World, all_on, assert_ordinary, assert_untouched


@requirement("ISO-05")
def test_mask_with_p_opens_nothing(
    world: World, second_closed_node: PrivateNode, alloc: AllocFactory
) -> None:
    masks = [[world.node.nid, node.nid] for node in world.ordinary] + [list(node_list("possible"))]
    for entry in BY_MASK:
        for mask in masks:
            named = [node for node in world.ordinary if node.nid in mask]
            for preferred in node_list("online"):
                taken = alloc(entry, preferred, gfp=world.base, nodemask=mask, count=PAGES)
                assert_ordinary(taken, named, f"{entry.name}, node {preferred} preferred, mask {mask}")
    assert_untouched(world.node, second_closed_node)


@requirement("ISO-05")
def test_mask_of_private_nodes_gives_nothing(
    world: World, second_closed_node: PrivateNode, alloc: AllocFactory
) -> None:
    p, q = world.node.nid, second_closed_node.nid
    for entry in BY_MASK:
        for mask in ([p], [p, q]):
            for preferred in (p, q, world.far.nid):
                taken = alloc(entry, preferred, gfp=world.light, nodemask=mask, count=PAGES)
                seen = f"{entry.name}, node {preferred} preferred, mask {mask}: {where(taken)}"
                assert taken is None, seen
        control = alloc(entry, p, gfp=world.light, nodemask=[world.far.nid], count=PAGES)
        assert all_on(control, world.far), f"{entry.name}, mask {world.far}: {where(control)}"
        asked = alloc(entry, p, gfp=world.light | world.gfp.PRIVATE, nodemask=[p], count=PAGES)
        assert all_on(asked, world.node), f"{entry.name}, the same mask with the flag: {where(asked)}"


@requirement("ISO-05")
@pytest.mark.core
def test_mask_of_all_nodes_beside_a_full_node(
    closed_node: PrivateNode, alloc: AllocFactory, short_of_memory: Node, ordinary_nodes: list[Node],
    testmod: TestModule,
) -> None:  # fmt: skip
    """With D full the next node is wanted, and P may be nearer than D2."""
    for entry in BY_MASK:
        taken = alloc(
            entry, short_of_memory, gfp=testmod.gfp.HIGHUSER_MOVABLE, nodemask=node_list("possible"), count=8
        )
        assert_ordinary(taken, ordinary_nodes[1:], f"{entry.name} beside the full {short_of_memory}")
    assert_untouched(closed_node)


@requirement("ISO-07")
def test_candidates_are_fallback_list_and_mask(
    world: World, second_closed_node: PrivateNode, alloc: AllocFactory
) -> None:
    gfp = world.base | world.gfp.PRIVATE
    masks = [(node, [node.nid, world.node.nid, second_closed_node.nid]) for node in world.ordinary]
    for entry in BY_MASK:
        for _, mask in masks:
            taken = alloc(entry, world.node, gfp=gfp, nodemask=mask, count=PAGES)
            assert all_on(taken, world.node), f"{entry.name}, mask {mask}: {where(taken)}"
    with world.node.fill():
        for entry in BY_MASK:
            for node, mask in masks:
                taken = alloc(entry, world.node, gfp=gfp, nodemask=mask, count=PAGES)
                assert all_on(taken, node), f"{entry.name}, P full, mask {mask}: {where(taken)}"
    assert_untouched(second_closed_node)


@requirement("ISO-07")
def test_full_p_does_not_lead_to_q(
    world: World, second_closed_node: PrivateNode, alloc: AllocFactory
) -> None:
    mask = [world.node.nid, second_closed_node.nid]
    with world.node.fill():
        for entry in BY_MASK:
            gfp = world.light | world.gfp.PRIVATE
            taken = alloc(entry, world.node, gfp=gfp, nodemask=mask, count=PAGES)
            assert taken is None, f"{entry.name}, P full, mask {mask}: {where(taken)}"
    for entry in BY_MASK:
        gfp = world.gfp.HIGHUSER_MOVABLE | world.gfp.PRIVATE  # Q is online movable
        control = alloc(entry, second_closed_node, gfp=gfp, nodemask=mask, count=PAGES)
        assert all_on(control, second_closed_node), f"{entry.name}, Q preferred: {where(control)}"


@requirement("ISO-08")
def test_mask_adds_nothing_to_a_fallback_list(world: World, alloc: AllocFactory) -> None:
    gfp = world.light | world.gfp.PRIVATE
    for entry in BY_MASK:
        for node in world.ordinary:
            for extra in (0, world.gfp.THISNODE):
                taken = alloc(entry, node, gfp=gfp | extra, nodemask=[world.node.nid], count=PAGES)
                assert taken is None, f"{entry.name}, {node} preferred, mask P: {where(taken)}"
            control = alloc(entry, node, gfp=gfp, nodemask=[node.nid], count=PAGES)
            assert all_on(control, node), f"{entry.name}, {node} preferred, mask itself: {where(control)}"
        asked = alloc(entry, world.node, gfp=gfp, nodemask=[world.node.nid], count=PAGES)
        assert all_on(asked, world.node), f"{entry.name}, P preferred, mask P: {where(asked)}"

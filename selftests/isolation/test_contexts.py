# SPDX-License-Identifier: GPL-2.0-only
"""ISO-11: where an allocation runs, and how desperate it is, opens nothing: interrupts and PF_MEMALLOC pass
by cpusets, policies and watermarks."""

from dataclasses import dataclass
from itertools import product

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory, where
from helpers.nodes import Node
from helpers.testmod import Context, Entry, TestModule
from selftests.isolation.world import BY_MASK, BY_NODE, World, all_on, assert_ordinary, assert_untouched


@dataclass(frozen=True)
class Urgency:
    """A context and further gfp bits, added to a request that cannot sleep where the context cannot."""

    name: str
    context: Context
    extra: tuple[str, ...] = ()

    def gfp(self, world: World) -> int:
        gfp = world.base if self.context is Context.MEMALLOC else world.base & ~world.gfp.DIRECT_RECLAIM
        for name in self.extra:
            gfp |= getattr(world.gfp, name)
        return gfp

    def __str__(self) -> str:
        return self.name


#: Few, since some of them are taken from the reserves of an ordinary node.
COUNT = 16
URGENCIES = (
    Urgency("atomic", Context.TASK, ("HIGH",)),
    Urgency("softirq", Context.SOFTIRQ, ("HIGH",)),
    Urgency("hardirq", Context.HARDIRQ, ("HIGH",)),
    Urgency("pf_memalloc", Context.MEMALLOC),
    Urgency("gfp_memalloc", Context.TASK, ("MEMALLOC", "HIGH")),
)


@requirement("ISO-11")
@pytest.mark.parametrize("urgency", URGENCIES, ids=str)
def test_urgent_request_for_p_alone_gets_nothing(world: World, alloc: AllocFactory, urgency: Urgency) -> None:
    gfp = urgency.gfp(world) | world.gfp.THISNODE
    for entry in BY_NODE:
        taken = alloc(entry, world.node, gfp=gfp, count=COUNT, context=urgency.context)
        assert taken is None, f"{entry.name}, {urgency}: {where(taken)}"
        control = alloc(entry, world.far, gfp=gfp, count=COUNT, context=urgency.context)
        assert all_on(control, world.far), f"{entry.name}, {urgency}: {where(control)}"
    assert_untouched(world.node)


@requirement("ISO-11")
@pytest.mark.parametrize("urgency", URGENCIES, ids=str)
def test_urgent_request_preferring_p_is_served_elsewhere(
    world: World, alloc: AllocFactory, ordinary_nodes: list[Node], urgency: Urgency
) -> None:
    gfp = urgency.gfp(world)
    for entry in BY_NODE:
        taken = alloc(entry, world.node, gfp=gfp, count=COUNT, context=urgency.context)
        assert_ordinary(taken, ordinary_nodes, f"{entry.name}, {urgency}")
    for entry in BY_MASK:
        mask = [world.node.nid, world.far.nid]
        taken = alloc(entry, world.node, gfp=gfp, count=COUNT, context=urgency.context, nodemask=mask)
        assert_ordinary(taken, ordinary_nodes, f"{entry.name}, {urgency}, mask {mask}")
    assert_untouched(world.node)


@requirement("ISO-11")
def test_urgent_requests_beside_a_full_node(
    world: World, alloc: AllocFactory, short_of_memory: Node, ordinary_nodes: list[Node]
) -> None:
    """The next node is wanted now, after the reserves of this one; P may be the nearest with memory."""
    for urgency, entry in product(URGENCIES, BY_NODE):
        gfp = urgency.gfp(world)
        taken = alloc(entry, short_of_memory, gfp=gfp, count=COUNT, context=urgency.context)
        assert_ordinary(taken, ordinary_nodes, f"{entry.name}, {urgency}")
    assert_untouched(world.node)


@requirement("ISO-11")
def test_urgent_requests_that_ask_are_served(world: World, alloc: AllocFactory) -> None:
    """The control: from the same contexts P's pages can be had by the flag."""
    for urgency, entry in product(URGENCIES, BY_NODE):
        gfp = urgency.gfp(world) | world.gfp.GFP_PRIVATE
        taken = alloc(entry, world.node, gfp=gfp, count=COUNT, context=urgency.context)
        assert all_on(taken, world.node), f"{entry.name}, {urgency}: {where(taken)}"


@requirement("ISO-11", "ISO-09")
@pytest.mark.parametrize("urgency", URGENCIES, ids=str)
def test_urgent_objects_for_p_are_elsewhere(
    closed_kernel_node: PrivateNode, alloc: AllocFactory, ordinary_nodes: list[Node], testmod: TestModule,
    urgency: Urgency,
) -> None:  # fmt: skip
    gfp = urgency.gfp(World(closed_kernel_node, testmod.gfp))
    for entry, size in product((Entry.KMALLOC_NODE, Entry.KMEM_CACHE_NODE, Entry.EXACT_NID), (512, 32768)):
        taken = alloc(entry, closed_kernel_node, gfp=gfp, size=size, count=COUNT, context=urgency.context)
        assert_ordinary(taken, ordinary_nodes, f"{entry.name} of {size} bytes, {urgency}")
    assert_untouched(closed_kernel_node)

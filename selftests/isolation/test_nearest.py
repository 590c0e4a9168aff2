# SPDX-License-Identifier: GPL-2.0-only
"""ISO-01a: what is meant for P and may not be on it goes to the ordinary memory next to P: the CPU's, or
the first in the order of numbers, would be a slow choice for who works with P."""

from itertools import pairwise

import pytest

from fixtures.private import PrivateNode
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory, where
from helpers.nodes import Node
from helpers.testmod import Entry, TestModule
from selftests.isolation.world import BY_NODE, PAGES, all_on, label, take_all

KIB = 1 << 10
#: Objects of whole pages that the kernel makes for a node: name, size in bytes, count.
OBJECTS = {
    "kmalloc-large": (Entry.KMALLOC_NODE, 64 * KIB, 4),
    "kvmalloc": (Entry.KVMALLOC_NODE, 8192 * KIB, 1),
    "vmalloc": (Entry.VMALLOC_NODE, 256 * KIB, 2),
    "exact_nid": (Entry.EXACT_NID, 24 * KIB, 4),
}


def by_distance(node: PrivateNode, ordinary: list[Node]) -> list[Node]:
    """Ordinary nodes, nearest to P first. Skips where two are about equally near: the kernel adds up to 2 to
    a distance (see zonelists/lists.py), so either is right."""
    distances = node.node.distances()
    found = sorted(ordinary, key=lambda one: distances[one.nid])
    if any(distances[far.nid] - distances[near.nid] <= 2 for near, far in pairwise(found)):
        pytest.skip("two ordinary nodes are equally far from a private one")
    return found


@pytest.fixture
def both(closed_node: PrivateNode, second_closed_node: PrivateNode, ordinary_nodes: list[Node]) -> list[
    tuple[PrivateNode, list[Node]]
]:  # fmt: skip
    """P and Q, each with the ordinary nodes in its order; not the same one for both, where that can be."""
    return [(node, by_distance(node, ordinary_nodes)) for node in (closed_node, second_closed_node)]


Pairs = list[tuple[PrivateNode, list[Node]]]


@requirement("ISO-01a")
@pytest.mark.parametrize("entry", BY_NODE, ids=label)
def test_pages(both: Pairs, alloc: AllocFactory, mod: TestModule, entry: Entry) -> None:
    for node, (nearest, *_) in both:
        taken = alloc(entry, node, gfp=mod.gfp.HIGHUSER_MOVABLE, count=PAGES)
        assert all_on(taken, nearest), f"{entry.name} for {node}: {where(taken)}, nearest is {nearest}"


@requirement("ISO-01a")
@pytest.mark.parametrize("thing", OBJECTS)
def test_objects_of_the_kernel(
    both: Pairs, alloc: AllocFactory, kernel_ordinary_nodes: list[Node], mod: TestModule, thing: str
) -> None:
    entry, size, count = OBJECTS[thing]
    able = {node.nid for node in kernel_ordinary_nodes}
    for node, order in both:
        nearest = next(one for one in order if one.nid in able)
        taken = alloc(entry, node, gfp=mod.gfp.KERNEL, size=size, count=count)
        assert all_on(taken, nearest), f"{thing} for {node}: {where(taken)}, nearest is {nearest}"


@requirement("ISO-01a")
@pytest.mark.disruptive
def test_the_next_one_when_the_nearest_is_full(
    both: Pairs, alloc: AllocFactory, mod: TestModule, second_ordinary_node: Node
) -> None:
    node, order = next((pair for pair in both if pair[1][0].nid == second_ordinary_node.nid), (None, []))
    if node is None:
        pytest.skip("no private node is next to the second ordinary one")
    take_all(mod, order[0])
    gfp = mod.gfp.HIGHUSER_MOVABLE & ~(mod.gfp.DIRECT_RECLAIM | mod.gfp.KSWAPD_RECLAIM)
    taken = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=gfp, count=PAGES)
    assert all_on(taken, order[1]), f"for {node}, with {order[0]} full: {where(taken)}"

# SPDX-License-Identifier: GPL-2.0-only
"""ISO-13: whatever was tried and refused, diverted, or taken and given back, the count of free pages is what
it was. The suite checks that all are free after every test; here some are in use meanwhile."""

from itertools import product

import pytest

from fixtures.nodes import unchanged_free_pages
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory
from helpers.nodes import node_list
from helpers.testmod import Context, Entry, FreeHow
from selftests.isolation.world import BY_MASK, BY_NODE, PAGES, World, all_on

KERNEL_OBJECTS = (Entry.KMALLOC_NODE, Entry.KMEM_CACHE_NODE, Entry.KVMALLOC_NODE, Entry.VMALLOC_NODE)


@pytest.fixture
def used_world(world: World, alloc: AllocFactory) -> World:
    """P with some pages in use, so that "as before" is not "all free"."""
    gfp = world.base | world.gfp.GFP_PRIVATE
    assert all_on(alloc(Entry.ALLOC_PAGES_NODE, world.node, gfp=gfp, count=100), world.node)
    return world


@requirement("ISO-13")
def test_refused_and_diverted_requests_take_nothing(used_world: World, alloc: AllocFactory) -> None:
    node, gfp = used_world.node, used_world.base
    with unchanged_free_pages(node):
        for entry, order in product(BY_NODE, (0, 4)):
            if order and entry is Entry.BULK:
                continue
            for extra in (0, used_world.gfp.THISNODE):
                alloc(entry, node, gfp=gfp | extra, order=order, count=PAGES)
        for entry in BY_MASK:
            alloc(entry, node, gfp=gfp, nodemask=node_list("possible"), count=PAGES)
        for entry in KERNEL_OBJECTS:
            alloc(entry, node, gfp=used_world.gfp.KERNEL, size=2048, count=PAGES)


@requirement("ISO-13")
def test_refused_requests_of_every_context_take_nothing(used_world: World, alloc: AllocFactory) -> None:
    gfp = used_world.base & ~used_world.gfp.DIRECT_RECLAIM | used_world.gfp.THISNODE
    with unchanged_free_pages(used_world.node):
        for entry, context in product(BY_NODE, Context):
            taken = alloc(entry, used_world.node, gfp=gfp, count=PAGES, context=context)
            assert taken is None, f"{entry.name}, {context.name}: {taken}"
            control = alloc(entry, used_world.far, gfp=gfp, count=PAGES, context=context)
            assert all_on(control, used_world.far), f"{entry.name}, {context.name}: {control}"


@requirement("ISO-13")
def test_pages_that_were_had_come_back(used_world: World, alloc: AllocFactory) -> None:
    node, gfp = used_world.node, used_world.base | used_world.gfp.GFP_PRIVATE | used_world.gfp.COMP
    with unchanged_free_pages(node):
        for entry, how in product(BY_NODE, (FreeHow.PUT, FreeHow.BATCH, FreeHow.RAW)):
            for order in (0,) if entry is Entry.BULK else (0, 2, 9):
                # A page block without COMP is no folio; bulk pages are of order 0.
                request = gfp if order else gfp & ~used_world.gfp.COMP
                taken = alloc(entry, node, gfp=request, order=order, count=4)
                assert all_on(taken, node), f"{entry.name}, order {order}: {taken}"
                assert taken is not None
                assert taken.free(how) == 4

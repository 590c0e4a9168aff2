# SPDX-License-Identifier: GPL-2.0-only
"""ISO-10 and ISO-10a: contiguous ranges are taken by position, past the free lists; P's are had by nobody who
does not ask."""

import pytest

from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory, where
from helpers.nodes import Node
from helpers.outcome import errno_name
from helpers.testmod import Entry, TestModule
from helpers.testmod.constants import Feature
from selftests.isolation.world import World, all_on, assert_ordinary, assert_untouched

#: 2 MiB, a pageblock: alloc_contig_range() works on whole pageblocks.
BLOCK = 512


@pytest.fixture
def contig(testmod: TestModule) -> None:
    if Feature.CONTIG_PAGES not in testmod.handshake.features:
        pytest.skip("this kernel has no alloc_contig_pages")


@requirement("ISO-10", "ISO-01")
@pytest.mark.usefixtures("contig")
def test_search_from_p_finds_ordinary_memory(
    world: World, alloc: AllocFactory, ordinary_nodes: list[Node]
) -> None:
    taken = alloc(Entry.CONTIG_PAGES, world.node, gfp=world.base, count=BLOCK)
    assert_ordinary(taken, ordinary_nodes, "alloc_contig_pages for P")
    control = alloc(Entry.CONTIG_PAGES, world.far, gfp=world.base, count=BLOCK)
    assert all_on(control, world.far), f"for {world.far}: {where(control)}"


@requirement("ISO-10", "ISO-02", "ISO-05")
@pytest.mark.usefixtures("contig")
def test_search_in_p_alone_finds_nothing(world: World, alloc: AllocFactory) -> None:
    gfp = world.base | world.gfp.THISNODE
    taken = alloc(Entry.CONTIG_PAGES, world.node, gfp=gfp, count=BLOCK)
    assert taken is None, f"with THISNODE: {where(taken)}"
    taken = alloc(Entry.CONTIG_PAGES, world.node, gfp=world.base, nodemask=[world.node.nid], count=BLOCK)
    assert taken is None, f"with mask P: {where(taken)}"
    assert_untouched(world.node)
    control = alloc(Entry.CONTIG_PAGES, world.far, gfp=gfp, count=BLOCK)
    assert all_on(control, world.far), f"{world.far} with THISNODE: {where(control)}"


@requirement("ISO-10")
def test_range_of_p_is_not_taken(world: World, alloc: AllocFactory) -> None:
    page_size = world.node.mod.handshake.page_size
    first = world.node.start // page_size
    for start, count in ((first, BLOCK), (first + BLOCK, 64), (first + 4 * BLOCK, 2 * BLOCK)):
        taken = alloc(Entry.CONTIG_RANGE, -1, gfp=world.base, start_pfn=start, count=count)
        assert taken is None, f"{count} pages at P's frame {start:#x}: {where(taken)}"
    assert_untouched(world.node)


@requirement("ISO-10")
def test_free_range_of_an_ordinary_node_is_taken(mod: TestModule, far_ordinary: Node) -> None:
    """The control to the range of P: a block that was just free on D can be had by its position."""
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.THISNODE
    with mod.alloc(Entry.ALLOC_PAGES_NODE, far_ordinary.nid, order=10, gfp=gfp) as block:
        (start,) = block.pfns
    with mod.alloc(Entry.CONTIG_RANGE, -1, gfp=gfp, start_pfn=start, count=BLOCK) as taken:
        assert taken.nid == far_ordinary.nid, f"{taken}, {errno_name(taken.error)}"
        assert taken.pfns == list(range(start, start + BLOCK))


@requirement("ISO-10a")
def test_range_of_p_is_had_by_who_asks(world: World, alloc: AllocFactory) -> None:
    """By its position, with the frames that were asked for; given back, all of them are free."""
    first = world.node.start // world.node.mod.handshake.page_size
    for start, count in ((first, BLOCK), (first + 4 * BLOCK, 2 * BLOCK)):
        gfp = world.base | world.gfp.GFP_PRIVATE
        taken = alloc(Entry.CONTIG_RANGE, -1, gfp=gfp, start_pfn=start, count=count)
        assert all_on(taken, world.node), f"{count} pages at P's frame {start:#x}: {where(taken)}"
        assert taken is not None
        assert taken.pfns == list(range(start, start + count))
        taken.free()
    assert_untouched(world.node)


@requirement("ISO-10a")
@pytest.mark.usefixtures("contig")
def test_search_in_p_finds_a_range_for_who_asks(world: World, alloc: AllocFactory) -> None:
    taken = alloc(Entry.CONTIG_PAGES, world.node, gfp=world.base | world.gfp.GFP_PRIVATE, count=BLOCK)
    assert all_on(taken, world.node), f"alloc_contig_pages: {where(taken)}"
    with world.node.fill(reserves=True):
        taken = alloc(Entry.CONTIG_PAGES, world.node, gfp=world.base | world.gfp.GFP_PRIVATE, count=BLOCK)
        assert taken is None, f"from a full P: {where(taken)}"

# SPDX-License-Identifier: GPL-2.0-only
"""CBK-04: a driver that keeps what is freed, and one that does not."""

from collections import Counter

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode, stable_free_pages
from fixtures.requirement import requirement
from fixtures.selection import core
from fixtures.settling import drain
from fixtures.testmod import AllocFactory
from helpers.constants import Mode
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Allocation, Callback, Context, Entry, FreeHow, TestModule
from helpers.testmod import Mode as Does
from selftests.callbacks.putting import CALLBACKS, KINDS, OPEN, PAGES, freed, heads
from selftests.oracle import placed

KIND = pytest.mark.parametrize("kind", [pytest.param("base", marks=core), "huge"])
HOW = pytest.mark.parametrize("how", [FreeHow.PUT, FreeHow.BATCH], ids=["single", "batched"])


@pytest.fixture
def node(open_node: OpenNode) -> PrivateNode:
    """P with free_folio."""
    return open_node(OPEN, callbacks=CALLBACKS)


def take(mod: TestModule, alloc: AllocFactory, node: PrivateNode, count: int, order: int = 0) -> Allocation:
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE | mod.gfp.COMP
    taken = alloc(Entry.FOLIO_ALLOC_NODE, node, gfp=gfp, count=count, order=order)
    assert taken is not None, f"{node} gives nothing"
    return taken


@requirement("CBK-04")
@core
@HOW
@pytest.mark.parametrize("order", [0, 9])
def test_kept_folios_are_not_free(
    node: PrivateNode, mod: TestModule, alloc: AllocFactory, how: FreeHow, order: int
) -> None:
    before = stable_free_pages(node)
    taken = take(mod, alloc, node, PAGES, order)
    node.program(Callback.FREE_FOLIO, Does.KEEP)
    taken.free(how)
    kept = mod.kept(node.nid)
    assert (Counter(kept.pfns), kept.kept) == (Counter(taken.pfns), PAGES)
    assert stable_free_pages(node) == before - (PAGES << order)
    assert mod.release_kept(node.nid).released == PAGES
    assert stable_free_pages(node) == before, "the driver let go of them"


@requirement("CBK-04")
def test_kept_folios_are_given_to_nobody(node: PrivateNode, mod: TestModule, alloc: AllocFactory) -> None:
    taken = take(mod, alloc, node, PAGES)
    node.program(Callback.FREE_FOLIO, Does.KEEP)
    taken.free(FreeHow.PUT)
    node.program(Callback.FREE_FOLIO, Does.REAL)
    kept = mod.kept(node.nid).pfns
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE
    with node.fill(reserves=True):
        assert not alloc(Entry.FOLIO_ALLOC_NODE, node, gfp=gfp, context=Context.MEMALLOC), "not full"
        assert mod.kept(node.nid).pfns == kept
        assert mod.release_kept(node.nid).released == PAGES
        again = alloc(Entry.FOLIO_ALLOC_NODE, node, gfp=gfp, context=Context.MEMALLOC)
        assert again is not None, "the control: once let go of, they can be had"
        assert again.pfns[0] in kept
        again.free()


@requirement("CBK-04")
@KIND
def test_user_memory_is_kept_as_well(
    node: PrivateNode, anon: AnonFactory, mod: TestModule, kind: str
) -> None:
    before = stable_free_pages(node)
    memory = anon(**KINDS[kind])
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    folios = heads(memory)
    node.program(Callback.FREE_FOLIO, Does.KEEP)
    memory.close()
    drain()
    assert Counter(mod.kept(node.nid).pfns) == folios
    assert stable_free_pages(node) == before - KINDS[kind]["pages"]
    mod.release_kept(node.nid)
    assert stable_free_pages(node) == before


@requirement("CBK-04")
@core
@HOW
def test_the_driver_decides_folio_by_folio(
    node: PrivateNode, mod: TestModule, alloc: AllocFactory, how: FreeHow
) -> None:
    before = stable_free_pages(node)
    taken = take(mod, alloc, node, PAGES)
    node.program(Callback.FREE_FOLIO, Does.KEEP, times=PAGES // 4)
    taken.free(how)
    events = node.events(Callback.FREE_FOLIO)
    assert Counter(event.pfn for event in events) == Counter(taken.pfns), "once each"
    assert [event.result for event in events] == [1] * (PAGES // 4) + [0] * (PAGES - PAGES // 4)
    assert mod.kept(node.nid).kept == PAGES // 4
    assert stable_free_pages(node) == before - PAGES // 4
    mod.release_kept(node.nid)
    assert stable_free_pages(node) == before


@requirement("CBK-04")
@core
def test_without_the_callback_nothing_is_kept(
    open_node: OpenNode, mod: TestModule, alloc: AllocFactory
) -> None:
    node = open_node(OPEN)
    before = stable_free_pages(node)
    node.program(Callback.FREE_FOLIO, Does.KEEP)
    take(mod, alloc, node, PAGES).free(FreeHow.PUT)
    assert mod.kept(node.nid).kept == 0
    assert stable_free_pages(node) == before


@requirement("CBK-04")
@core
def test_never_for_an_ordinary_node(
    node: PrivateNode, ordinary_nodes: list[Node], mod: TestModule, alloc: AllocFactory, anon: AnonFactory
) -> None:
    node.program(Callback.FREE_FOLIO, Does.KEEP)
    for ordinary in ordinary_nodes:
        for how in (FreeHow.PUT, FreeHow.BATCH):
            gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.THISNODE
            taken = alloc(Entry.FOLIO_ALLOC_NODE, ordinary, gfp=gfp, count=PAGES)
            assert taken is not None
            taken.free(how)
        placed(anon(PAGES), ordinary.nid).close()
    assert not freed(node)
    assert mod.totals().stray == 0, "free_folio came for a node that is not private"
    take(mod, alloc, node, 1).free(FreeHow.PUT)
    assert freed(node).total() == 1, "the control: on P"
    mod.release_kept(node.nid)


@requirement("CBK-04")
def test_a_cleared_callback_keeps_nothing_more(
    node: PrivateNode, mod: TestModule, alloc: AllocFactory, anon: AnonFactory
) -> None:
    taken, memory = take(mod, alloc, node, PAGES), anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    assert residency(memory).all_on(node.nid)
    node.program(Callback.FREE_FOLIO, Does.KEEP)
    taken.free(FreeHow.PUT)
    node.clear_ops()
    memory.close()
    assert mod.kept(node.nid).kept == PAGES, "those of before"
    assert mod.release_kept(node.nid).released == PAGES
    assert stable_free_pages(node) == node.managed_pages()

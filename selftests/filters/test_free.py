# SPDX-License-Identifier: GPL-2.0-only
"""FLT-03: MADV_FREE does not give pages on P up; MADV_DONTNEED and munmap() do."""

from collections.abc import Callable

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from fixtures.pressure import SwapFactory
from fixtures.requirement import requirement
from fixtures.settling import drain, stable_free_pages
from helpers.constants import MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import Callback, Callbacks, Entry, Level, Ops, PageFlags, PteFlags, TestModule
from selftests.filters.kinds import OPEN, OnNode, having
from selftests.noops.pages import Frozen

pytestmark = pytest.mark.parametrize("kind", ["base", "huge"])


@requirement("FLT-03")
def test_nothing_is_marked_free(
    held: Mapping, memory_on: OnNode, ordinary_node: Node, mod: TestModule
) -> None:
    stay, control = Frozen(held), memory_on(ordinary_node.nid)
    drain()  # only what is on the LRU lists can be marked
    assert outcome(held.advise, MADV_FREE) == OK
    control.advise(MADV_FREE)
    drain()
    assert not having(mod, control, PageFlags.SWAPBACKED), "the control is not marked free"
    assert having(mod, held, PageFlags.SWAPBACKED) == held.pages, "pages on P are marked free"
    dirty = sum(1 for page in mod.pages(held.addr, held.pages) if page.pte & PteFlags.DIRTY)
    assert dirty == held.pages, f"{held.pages - dirty} entries were cleaned"
    stay.check("MADV_FREE")


@requirement("FLT-03")
def test_a_part_splits_no_huge_page(
    held: Mapping, memory_on: OnNode, ordinary_node: Node, mod: TestModule
) -> None:
    before = [page.level for page in mod.pages(held.addr, held.pages)]
    stay, control = Frozen(held), memory_on(ordinary_node.nid)
    for one in (held, control):
        assert outcome(one.advise, MADV_FREE, first=4, count=8) == OK
    assert [page.level for page in mod.pages(held.addr, held.pages)] == before
    stay.check("MADV_FREE of a part")
    levels = {page.level for page in mod.pages(control.addr, control.pages)} - {Level.NONE}
    assert levels == {Level.PTE}, f"the control is mapped by {levels}"


@requirement("FLT-03")
def test_nothing_is_lost_when_the_node_is_full(
    held: Mapping, p: PrivateNode, mod: TestModule, swap: SwapFactory
) -> None:
    """Who asks for pages of the full P gets none of these."""
    swap(32 << 20)
    stay = Frozen(held)
    assert outcome(held.advise, MADV_FREE) == OK
    with p.fill():
        gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE
        came = mod.alloc(Entry.ALLOC_PAGES_NODE, p.nid, gfp=gfp, count=1024).pages
        stay.check(f"{came} pages of the full P were asked for")
    assert came == 0, f"{came} pages came from a full node"


@requirement("FLT-03")
def test_nothing_is_lost_when_it_is_reclaimed(
    open_node: OpenNode, memory_on: OnNode, ordinary_node: Node, mod: TestModule, swap: SwapFactory
) -> None:
    """P is open for reclaim, too: its pages go to swap, those of D just go."""
    swap(32 << 20)
    node = open_node(OPEN | Ops.RECLAIM)
    memory, control = memory_on(node.nid), memory_on(ordinary_node.nid)
    drain()  # only what is on the LRU lists can be marked
    for one in (memory, control):
        one.advise(MADV_FREE)
    drain()
    with node.fill():
        gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE
        came = mod.alloc(Entry.ALLOC_PAGES_NODE, node.nid, gfp=gfp, count=1024).pages
    assert residency(memory).absent, f"{came} pages of the full P were asked for: {residency(memory)}"
    mod.free()
    memory.verify()
    control.advise(MADV_PAGEOUT)
    assert residency(control).absent == control.pages, f"the control: {residency(control)}"
    assert control.zeroed(), "the control: pages on D come back zeroed"


FREEING: dict[str, Callable[[Mapping], None]] = {
    "dontneed": lambda memory: memory.advise(MADV_DONTNEED),
    "munmap": lambda memory: memory.close(),
}


@requirement("FLT-03")
@pytest.mark.parametrize("call", FREEING)
def test_freeing_frees(open_node: OpenNode, memory_on: OnNode, kind: str, call: str) -> None:
    node = open_node(OPEN, callbacks=Callbacks.ALL)
    free = stable_free_pages(node)
    memory = memory_on(node.nid)
    assert stable_free_pages(node) == free - memory.pages
    node.reset_counters()
    FREEING[call](memory)
    assert stable_free_pages(node) == free
    assert node.counters().pages[Callback.FREE_FOLIO] == memory.pages
    if call == "dontneed":
        assert memory.zeroed()

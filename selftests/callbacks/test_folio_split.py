# SPDX-License-Identifier: GPL-2.0-only
"""CBK-05: the owner follows when a huge folio becomes several."""

import os
from pathlib import Path

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.requirement import requirement
from helpers.constants import MADV_SOFT_OFFLINE
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Callback, Callbacks, TestModule
from helpers.testmod.results import Event
from selftests.callbacks.poison import heal
from selftests.callbacks.putting import HUGE, KINDS, OPEN, move_all
from selftests.oracle import placed

SPLIT = Path("/sys/kernel/debug/split_huge_pages")
ORDER = HUGE.bit_length() - 1


def split(memory: Mapping, order: int) -> None:
    """The kernel's own test interface: folios of that order instead of the huge one."""
    if not SPLIT.exists():
        pytest.skip("needs debugfs split_huge_pages")
    SPLIT.write_text(f"{os.getpid()},{memory.addr:#x},{memory.end:#x},{order}")


def orders(mod: TestModule, memory: Mapping) -> set[int]:
    return {page.order for page in mod.pages(memory.addr, memory.pages)}


def huge_on(node: PrivateNode, anon: AnonFactory, home: Node, mod: TestModule) -> tuple[Mapping, int]:
    """A huge page on the node; and its first frame."""
    memory = placed(anon(**KINDS["huge"]), home.nid)
    move_all(memory, node.nid)
    assert orders(mod, memory) == {ORDER}
    node.reset_counters()
    first = residency(memory).frames[0]
    assert first is not None
    return memory, first


def check(events: list[Event], first: int, size: int) -> None:
    """One call for each piece but the first, which stays the old folio; then one without a piece."""
    pieces = [event.pfn2 for event in events]
    assert len(pieces) == HUGE // size, f"{len(pieces)} calls"
    assert sorted(pieces[:-1]) == list(range(first + size, first + HUGE, size))
    assert pieces[-1] == 0, f"the last call was for frame {pieces[-1]:#x}"
    assert {event.pfn for event in events} == {first}


@requirement("CBK-05")
@pytest.mark.parametrize("order", [0, 2, 4, ORDER - 1])
def test_each_piece_once_and_then_the_end(
    open_node: OpenNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule, order: int
) -> None:
    node = open_node(OPEN, callbacks=Callbacks.ALL)
    memory, first = huge_on(node, anon, ordinary_node, mod)
    split(memory, order)
    assert orders(mod, memory) == {order}, f"not split: {orders(mod, memory)}"
    check(node.events(Callback.FOLIO_SPLIT), first, 1 << order)
    memory.verify()


@requirement("CBK-05")
def test_twice(open_node: OpenNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule) -> None:
    """To pieces of 16 pages, and each of those to base pages."""
    node = open_node(OPEN, callbacks=Callbacks.ALL)
    memory, first = huge_on(node, anon, ordinary_node, mod)
    split(memory, 4)
    node.reset_counters()
    split(memory, 0)
    events = node.events(Callback.FOLIO_SPLIT)
    assert len(events) == HUGE, f"{len(events)} calls"
    assert sum(1 for event in events if not event.pfn2) == HUGE // 16
    assert {event.pfn for event in events} == set(range(first, first + HUGE, 16))
    memory.verify()


@requirement("CBK-05")
@pytest.mark.disruptive
def test_by_soft_offline(
    open_node: OpenNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule
) -> None:
    """One bad page is no reason to move a whole huge one: it is split first."""
    node = open_node(OPEN, callbacks=Callbacks.ALL)
    memory, first = huge_on(node, anon, ordinary_node, mod)
    memory.advise(MADV_SOFT_OFFLINE, first=9, count=1)
    check(node.events(Callback.FOLIO_SPLIT), first, 1)
    memory.verify()
    memory.close()
    heal(first + 9)


@requirement("CBK-05")
def test_not_elsewhere_and_not_without_it(
    open_node: OpenNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule
) -> None:
    """Not for a huge page on D; not where the owner has no such callback; not where nothing splits."""
    node = open_node(OPEN, callbacks=Callbacks.ALL)
    memory = placed(anon(**KINDS["huge"]), ordinary_node.nid)
    split(memory, 0)
    assert orders(mod, memory) == {0}, "not split"
    here, _first = huge_on(node, anon, ordinary_node, mod)
    move_all(here, ordinary_node.nid)
    assert not node.events(Callback.FOLIO_SPLIT), "the owner was told"
    move_all(here, node.nid)
    open_node(OPEN)
    split(here, 0)
    assert orders(mod, here) == {0}, "not split without the callback"
    assert not node.events(Callback.FOLIO_SPLIT)

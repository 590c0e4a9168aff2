# SPDX-License-Identifier: GPL-2.0-only
"""SVC-12: long-term pins on P, by the module and by io_uring; without the flag none, and no page is taken
from its node unless it may move."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateRange
from fixtures.requirement import requirement
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import Ops, PageFlags, TestModule
from helpers.wait import wait_until
from selftests.filters.kinds import KINDS, OPEN, bound, having
from selftests.hotplug.test_busy import try_unplug
from selftests.noops.pages import Frozen
from selftests.services import uring

#: `with pinning(mod, memory) as result:` the outcome of a pin, held for the length of the block.
Pinning = Callable[[TestModule, Mapping], object]


@contextmanager
def by_module(mod: TestModule, memory: Mapping) -> Iterator[str]:
    result = outcome(mod.pin, memory.addr, memory.pages, longterm=True)
    yield result
    mod.unpin()


@contextmanager
def by_module_fast(mod: TestModule, memory: Mapping) -> Iterator[str]:
    result = outcome(mod.pin, memory.addr, memory.pages, longterm=True, fast=True)
    yield result
    mod.unpin()


@contextmanager
def by_uring(mod: TestModule, memory: Mapping) -> Iterator[str]:
    with uring.ring() as fd:
        result = outcome(uring.register, fd, memory.addr, memory.nbytes)
        yield result
        if result == OK:
            uring.unregister(fd)


WAYS = {"pin": by_module, "pin-fast": by_module_fast, "io_uring": by_uring}
by_way = pytest.mark.parametrize("way", WAYS)
by_kind = pytest.mark.parametrize("kind", ["base", "huge"])


@requirement("SVC-12")
@by_way
@by_kind
@pytest.mark.timeout(60)  # trying again and again would be a livelock
@pytest.mark.parametrize("flags", [None, Ops.NONE, Ops.RECLAIM], ids=str)
def test_refused_where_pages_may_not_move(
    open_node: OpenNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule, way: str, kind: str,
    flags: Ops | None,
) -> None:  # fmt: skip
    node = open_node(OPEN)
    memory = bound(anon(**KINDS[kind]), node.nid)
    control = bound(anon(**KINDS[kind]), ordinary_node.nid)
    node.clear_ops()
    if flags is not None:
        node.set_ops(flags)
    stay = Frozen(memory)
    with WAYS[way](mod, memory) as result:
        assert result == "ENOMEM", f"{way} on {node}: {result}"
        stay.check("a long-term pin was refused")
        assert not having(mod, memory, PageFlags.MAYBE_PINNED)
    with WAYS[way](mod, control) as result:
        assert result == OK, f"the control, on D: {result}"


@requirement("SVC-12")
@by_way
@by_kind
def test_moved_first_where_pages_may_move(
    open_node: OpenNode, anon: AnonFactory, mod: TestModule, way: str, kind: str
) -> None:
    node = open_node(OPEN)
    memory = bound(anon(**KINDS[kind]), node.nid)
    assert residency(memory).all_on(node.nid)
    with WAYS[way](mod, memory) as result:
        assert result == OK, f"{way}: {result}"
        assert residency(memory).present == memory.pages
        assert not residency(memory).any_on(node.nid), f"pinned on P: {residency(memory)}"
        assert having(mod, memory, PageFlags.MAYBE_PINNED) == memory.pages
        memory.verify()


@requirement("SVC-12")
@by_way
@by_kind
@pytest.mark.parametrize("flags", [Ops.NONE, OPEN], ids=["alone", "with-migration"])
def test_pinned_in_place_with_the_flag(
    open_node: OpenNode, anon: AnonFactory, mod: TestModule, way: str, kind: str, flags: Ops
) -> None:
    node = open_node(OPEN)
    memory = bound(anon(**KINDS[kind]), node.nid)
    node.set_ops(flags | Ops.LONGTERM_PIN)
    stay = Frozen(memory)
    with WAYS[way](mod, memory) as result:
        assert result == OK, f"{way}: {result}"
        stay.check("pinned")
        assert having(mod, memory, PageFlags.MAYBE_PINNED) == memory.pages
    stay.check("unpinned")


def uninterrupted(unplug: Callable[[], object]) -> str:
    """The outcome of an unplug, asked again after EINTR: a ring that ends interrupts its task."""
    seen: list[str] = []

    def answered() -> bool:
        seen.append(outcome(unplug))
        return seen[-1] != "EINTR"

    wait_until(answered, 10, lambda: f"an unplug to end, seen {seen}")
    return seen[-1]


@requirement("SVC-12")
@by_way
@pytest.mark.disruptive
def test_no_unplug_while_pinned(
    unplugged: PrivateRange, anon: AnonFactory, mod: TestModule, way: str
) -> None:
    node = unplugged.plug(ops=OPEN | Ops.LONGTERM_PIN)
    memory = bound(anon(**KINDS["base"]), node.nid)
    with WAYS[way](mod, memory) as result:
        assert result == OK
        stay = Frozen(memory)
        answer = try_unplug(node)
        assert answer in ("EBUSY", "EINTR"), f"unplug of a node with pins: {answer}"
        stay.check("an unplug was refused")
    assert uninterrupted(node.unplug) == OK, "the control: once nothing is pinned"
    memory.verify()

# SPDX-License-Identifier: GPL-2.0-only
"""SVC-11, SVC-11a to SVC-11c: compaction of P, only if P is open for it."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from fixtures.knobs import KnobSetter
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.requirement import requirement
from fixtures.settling import drain
from helpers import paths
from helpers.constants import MADV_DONTNEED, Mode
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.outcome import outcome
from helpers.residency import residency
from helpers.testmod import Callback, Entry, NodeFlags, Ops, TestModule
from helpers.wait import wait_until
from selftests.filters.kinds import OPEN
from selftests.isolation.world import compacted, holes, only_lowest_free
from selftests.services.closing import CLOSED, close_if

#: Of blocks wanted while one page of each pair is free. Not more: what fills the node cannot move, and
#: may be in each of its pageblocks.
ORDER = 4
#: Compaction that fails puts itself off, at last for 64 requests (COMPACT_MAX_DEFER_SHIFT), and only then
#: looks again at blocks in which an earlier test had left nothing to move.
REQUESTS = 1000
with_and_without = pytest.mark.parametrize("state", [CLOSED, "without", "with"])


def flags(state: str) -> Ops:
    return OPEN | (Ops.COMPACTION if state == "with" else Ops.NONE)


def of_the_node(node: Node) -> None:
    paths.write_text(node.path / "compact", 1)


def of_all(node: Node) -> None:
    paths.write_text(paths.PROC / "sys/vm/compact_memory", 1)


@requirement("SVC-11")
@with_and_without
@pytest.mark.parametrize("call", [of_the_node, of_all], ids=["node", "all"])
@pytest.mark.disruptive
def test_manual(
    open_node: OpenNode, anon: AnonFactory, second_ordinary_node: Node, mod: TestModule,
    call: Callable[[Node], None], state: str,
) -> None:  # fmt: skip
    node = open_node(flags(state))
    memory, control = anon(2048), anon(4096)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    with only_lowest_free(mod, second_ordinary_node):
        control.bind(Mode.BIND, [second_ordinary_node.nid])
        control.touch()
    kept, kept_on_d = holes(memory), holes(control)
    before = residency(memory).frames
    close_if(node, state)
    result = outcome(call, node.node)
    assert (residency(memory).frames != before) == (state == "with"), f"{result}: {residency(memory)}"
    for index in kept_on_d[::2]:
        control.advise(MADV_DONTNEED, first=index, count=1)
    assert compacted(lambda: call(second_ordinary_node)), "the control: nothing was compacted on D"
    for index in kept:
        memory.verify(first=index, count=1)


def fragmented(node: PrivateNode, memory: Mapping) -> list[int]:
    """Nearly all of P in use, one frame of each pair is free; the indices of the pages in use."""
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    kept = holes(memory)
    drain()
    return kept


@requirement("SVC-11a")
@with_and_without
def test_direct(open_node: OpenNode, anon: AnonFactory, mod: TestModule, state: str) -> None:
    node = open_node(flags(state))
    memory = anon(16384)
    wish = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE | mod.gfp.COMP | mod.gfp.RETRY_MAYFAIL
    with node.fill(leave=memory.pages + 512):
        fragmented(node, memory)
        close_if(node, state)
        while mod.alloc(Entry.ALLOC_PAGES_NODE, node.nid, gfp=wish & ~mod.gfp.DIRECT_RECLAIM, order=ORDER):
            pass  # what lies together still
        before = residency(memory).frames

        def had() -> bool:
            return mod.alloc(Entry.ALLOC_PAGES_NODE, node.nid, gfp=wish, order=ORDER).nid == node.nid

        def had_by_moving() -> bool:
            return had() and residency(memory).frames != before

        found = f"a block of order {ORDER}; {node.node.free_pages()} pages are free"
        if state == "with":  # the first ones may come from lists of CPUs
            assert any(had_by_moving() for _ in range(REQUESTS)), found
        else:
            assert not had(), found
            assert residency(memory).frames == before, f"moved: {found}"
        mod.free()


@requirement("SVC-11c")
def test_kcompactd_lives_with_the_flag(open_node: OpenNode) -> None:
    node = open_node(OPEN)
    assert NodeFlags.KCOMPACTD not in node.state().flags
    for _ in range(3):
        node.set_ops(flags("with"))
        assert NodeFlags.KCOMPACTD in node.state().flags
        node.set_ops(OPEN)
        assert NodeFlags.KCOMPACTD not in node.state().flags
    node.set_ops(flags("with"))
    node.clear_ops()
    assert NodeFlags.KCOMPACTD not in node.state().flags, "after clear_ops"


@requirement("SVC-11b")
def test_proactive(open_node: OpenNode, anon: AnonFactory, knob: KnobSetter) -> None:
    """vm.compaction_proactiveness makes kcompactd compact a fragmented P."""
    node = open_node(flags("with"))
    memory = anon(16384)
    with node.fill(leave=memory.pages + 512):
        kept = fragmented(node, memory)
        node.reset_counters()
        before = residency(memory).frames
        knob("vm.compaction_proactiveness", 100)
        wait_until(
            lambda: node.counters().calls[Callback.FOLIO_MIGRATE], 20,
            lambda: f"compaction: {node.counters()}",
        )  # fmt: skip
        knob("vm.compaction_proactiveness", 0)
        assert residency(memory).frames != before
    for index in kept:
        memory.verify(first=index, count=1)


@requirement("SVC-11b")
@pytest.mark.parametrize("state", [CLOSED, "without"])
def test_no_proactive_work_without(
    open_node: OpenNode, second_open_node: OpenNode, anon: AnonFactory, knob: KnobSetter, state: str
) -> None:
    """Q is compacted; P beside it, as fragmented but without the flag by now, stays as it is."""
    node, other = open_node(flags("with")), second_open_node(flags("with"))
    memory, control = anon(16384), anon(16384)
    with node.fill(leave=memory.pages + 512), other.fill(leave=control.pages + 512):
        fragmented(node, memory)
        fragmented(other, control)
        node.set_ops(OPEN)
        close_if(node, state)
        other.reset_counters()
        before = residency(memory).frames
        knob("vm.compaction_proactiveness", 100)
        wait_until(
            lambda: other.counters().calls[Callback.FOLIO_MIGRATE], 20,
            lambda: f"compaction of {other}, the control: {other.counters()}",
        )  # fmt: skip
        with suppress(TimeoutError):  # a thread of P's own looks every half a second
            wait_until(lambda: residency(memory).frames != before, 3, "pages of P to move")
        found = residency(memory)
        moved = sum(1 for old, new in zip(before, found.frames, strict=True) if old != new)
        assert not moved, f"{node} was compacted, as {other} was: {moved} pages have moved; {found}"

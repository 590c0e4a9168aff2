# SPDX-License-Identifier: GPL-2.0-only
"""CBK-10 and SVC-14: an error of the hardware on P. The owner is told, and the kernel goes on as ever."""

import signal
from collections.abc import Iterator

import pytest

from fixtures.nodes import OpenNode, PrivateNode, PrivateRange
from fixtures.process import Child, ChildFactory
from fixtures.requirement import requirement
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import Callback, Callbacks, Entry, Ops, TestModule
from selftests.callbacks.poison import WAYS, heal, inject, need_injection, to_be_had
from selftests.callbacks.putting import OPEN
from selftests.filters.kinds import KINDS as MEMORY

pytestmark = pytest.mark.disruptive

INDEX = 5  # not the first page of a huge page
by_way = pytest.mark.parametrize("way", WAYS)
by_kind = pytest.mark.parametrize("kind", ["base", "huge"])
by_owner = pytest.mark.parametrize("told", [True, False], ids=["callback", "no-callback"])
bad_frames = list[int]


@pytest.fixture(autouse=True)
def injection() -> None:
    need_injection()


@pytest.fixture
def healed() -> Iterator[bad_frames]:
    """Frames to give back when the test's tasks are gone."""
    frames: bad_frames = []
    yield frames
    for pfn in frames:
        heal(pfn)


@pytest.fixture
def victims(healed: bad_frames) -> Iterator[ChildFactory]:
    """Children, which go before their frames are given back."""
    factory = ChildFactory()
    yield factory
    factory.close()


def victim(kind: str, nid: int, way: str) -> Iterator[object]:
    """A task with memory on the node: its frames; then one of them is bad; then it looks at all of it."""
    with Mapping.anonymous(**MEMORY[kind]) as memory:
        memory.bind(Mode.BIND, [nid])
        memory.touch()
        memory.bind(Mode.DEFAULT, ())
        assert residency(memory).all_on(nid), f"{residency(memory)}"
        yield residency(memory).frames
        signal.signal(signal.SIGBUS, lambda *_: None)  # who asks for an error by madvise() is told at once
        WAYS[way](memory, INDEX)
        yield residency(memory).frames
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        memory.verify(first=0, count=INDEX)
        memory.verify(first=INDEX + 1)
        yield "the others are right"
        memory.page(INDEX)


def strike(victims: ChildFactory, kind: str, nid: int, way: str, healed: bad_frames) -> tuple[Child, int]:
    """Such a task, its page INDEX bad by now; and the frame."""
    worker = victims.start(victim, kind, nid, way)
    pfn = worker.step()[INDEX]
    healed.append(pfn)
    now = worker.step()
    assert now[INDEX] is None, f"the bad page is mapped still: {now[INDEX]}"
    return worker, pfn


@requirement("CBK-10")
@by_way
@by_kind
def test_the_owner_is_told_once(
    open_node: OpenNode, ordinary_node: Node, victims: ChildFactory, healed: bad_frames, kind: str, way: str
) -> None:
    node = open_node(OPEN, callbacks=Callbacks.ALL)
    worker, pfn = strike(victims, kind, node.nid, way, healed)
    events = node.events(Callback.MEMORY_FAILURE)
    assert [(event.nid, event.pfn2) for event in events] == [(node.nid, pfn)]
    worker.kill()
    worker, _pfn = strike(victims, kind, ordinary_node.nid, way, healed)
    assert not node.events(Callback.MEMORY_FAILURE), "told of a page on D"


@requirement("CBK-10", "SVC-14")
@by_owner
def test_of_a_free_page_too(open_node: OpenNode, mod: TestModule, healed: bad_frames, told: bool) -> None:
    """Nobody has it then, and nobody gets it; its neighbour is to be had, which is the control."""
    node = open_node(OPEN, callbacks=Callbacks.ALL if told else None)
    wish = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE
    with mod.alloc(Entry.ALLOC_PAGES_NODE, node.nid, gfp=wish) as got:
        (pfn,) = got.pfns
    healed.append(pfn)
    node.reset_counters()
    assert outcome(inject, pfn) == OK
    events = node.events(Callback.MEMORY_FAILURE)
    assert [event.pfn2 for event in events] == ([pfn] if told else [])
    assert to_be_had(node, pfn, pfn ^ 1) == [False, True], f"the bad frame {pfn:#x} and the next one"


@requirement("CBK-10", "SVC-14")
@by_way
@by_kind
@by_owner
def test_the_task_gets_sigbus(
    open_node: OpenNode, victims: ChildFactory, healed: bad_frames, kind: str, way: str, told: bool
) -> None:
    """When it looks at the page; not for the others, which are right."""
    node = open_node(OPEN, callbacks=Callbacks.ALL if told else None)
    worker, _pfn = strike(victims, kind, node.nid, way, healed)
    assert worker.step() == "the others are right"
    death = worker.wait_end()
    assert death is not None
    assert death.signal == signal.SIGBUS, f"{death}"


@requirement("SVC-14")
@by_way
def test_a_closed_node(open_node: OpenNode, victims: ChildFactory, healed: bad_frames, way: str) -> None:
    """Nobody to tell; the rest is the same."""
    node = open_node(OPEN)
    worker = victims.start(victim, "base", node.nid, way)
    healed.append(worker.step()[INDEX])
    node.clear_ops()
    assert worker.step()[INDEX] is None
    assert worker.step() == "the others are right"
    death = worker.wait_end()
    assert death is not None
    assert death.signal == signal.SIGBUS, f"{death}"


@requirement("CBK-10", "SVC-14")
@by_kind
@by_owner
def test_the_frame_is_never_used_again(
    open_node: OpenNode, victims: ChildFactory, healed: bad_frames, kind: str, told: bool
) -> None:
    """Its neighbour, which the same task had, is: the control."""
    node = open_node(OPEN, callbacks=Callbacks.ALL if told else None)
    worker, pfn = strike(victims, kind, node.nid, "madvise", healed)
    worker.kill()
    assert to_be_had(node, pfn, pfn ^ 1) == [False, True], f"the bad frame {pfn:#x} and the next one"


@requirement("SVC-14")
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_unplug_with_a_bad_frame(unplugged: PrivateRange, victims: ChildFactory, closed: bool) -> None:
    node: PrivateNode = unplugged.plug(ops=OPEN)
    worker, pfn = strike(victims, "base", node.nid, "madvise", [])
    worker.kill()
    if closed:
        node.clear_ops()
    assert outcome(node.unplug) == OK
    again = unplugged.plug(ops=Ops.NONE)
    heal(pfn)
    assert again.managed_pages() == again.size // PAGE_SIZE
    again.unplug()

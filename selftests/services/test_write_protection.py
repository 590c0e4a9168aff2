# SPDX-License-Identifier: GPL-2.0-only
"""SVC-04, SVC-04a: what comes to a P that protects folios is read-only there; a write goes to the owner."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from fixtures.knobs import KnobSetter
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.pressure import SwapFactory
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import MADV_DONTNEED, MADV_PAGEOUT
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Level, Ops, TestModule
from selftests.filters.kinds import HUGE, KINDS
from selftests.services.protected import (
    DEAF,
    FAULT_FLAG_WRITE,
    PAGES,
    PROTECTED,
    arrived,
    faults,
    levels,
    writable,
)

NOT_HUGE = pytest.mark.parametrize("kind", ["base", "shmem"])
by_size = pytest.mark.parametrize("level", [Level.PTE, Level.PMD], ids=["base", "huge"])


@pytest.fixture
def shared(level: Level, anon: AnonFactory, knob: KnobSetter) -> Callable[[], Mapping]:
    """Shared memory, of base pages or a huge page."""
    knob("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "advise")
    return partial(anon, HUGE if level is Level.PMD else PAGES, shared=True, thp=level is Level.PMD)


@requirement("SVC-04")
@pytest.mark.parametrize("kind", ["base", "huge", "shmem"])
def test_read_only_after_arrival(
    guarded: PrivateNode, open_node: OpenNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule,
    kind: str,
) -> None:  # fmt: skip
    memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, guarded)
    assert writable(mod, memory) == 0, f"{writable(mod, memory)} of {memory.pages} pages on P"
    assert levels(mod, memory) == {Level.PMD if kind == "huge" else Level.PTE}
    memory.verify()
    assert not faults(guarded), "reads fault"
    open_node(Ops.MIGRATION)
    control = arrived(anon(**KINDS[kind]), ordinary_node.nid, guarded)
    control.touch()  # shared memory is mapped read-only by a migration, on any node
    assert residency(control).all_on(guarded.nid), f"the control, without the flag: {residency(control)}"
    assert writable(mod, control) == control.pages, "the control, without the flag"


@requirement("SVC-04")
@NOT_HUGE
def test_a_write_goes_to_the_owner_once(
    guarded: PrivateNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule, kind: str
) -> None:
    memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, guarded)
    frames = residency(memory).frames
    memory.touch(2)
    events = faults(guarded)
    assert Counter(event.addr for event in events) == Counter(memory.addrs()), f"{len(events)} calls"
    assert [event.pfn for event in events] == frames
    assert {(event.level, event.pid) for event in events} == {(Level.PTE, os.getpid())}
    assert all(event.reason & FAULT_FLAG_WRITE for event in events)
    memory.verify(2)
    assert not residency(memory).any_on(guarded.nid), f"not promoted: {residency(memory)}"
    memory.touch(3)
    assert not faults(guarded), "writes to D reach the owner of P"


@requirement("SVC-04")
def test_a_write_to_a_huge_page(
    guarded: PrivateNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule
) -> None:
    memory = arrived(anon(**KINDS["huge"]), ordinary_node.nid, guarded)
    first = residency(memory).frames[0]
    memory.touch(2, first=77, count=1)
    (event,) = faults(guarded)
    assert (event.level, event.addr, event.pfn) == (Level.PMD, memory.page_addr(77), first)
    assert event.reason & FAULT_FLAG_WRITE
    memory.touch(2)
    memory.verify(2)
    assert not residency(memory).any_on(guarded.nid), f"{residency(memory)}"


@requirement("SVC-04")
@pytest.mark.parametrize("write", [False, True], ids=["read-first", "write-first"])
def test_arrival_by_the_swap_cache(
    guarded: PrivateNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule, swap: SwapFactory,
    child: ChildFactory, write: bool,
) -> None:  # fmt: skip
    """A folio that one task brought back from swap and to P is what the next task finds in the swap cache."""
    swap(16 << 20)
    memory = anon(PAGES)
    memory.bind(syscalls.Mode.BIND, [ordinary_node.nid])
    memory.touch()
    memory.bind(syscalls.Mode.DEFAULT, ())
    memory.advise(MADV_PAGEOUT)
    assert residency(memory).swapped == PAGES, f"{residency(memory)}"

    def work() -> Iterator[None]:
        yield
        if not write:
            memory.verify()
            yield
        memory.touch(2)
        yield
        memory.verify(2)

    worker = child.start(work)
    worker.step()
    memory.read_fault()
    syscalls.move_pages(0, memory.addrs(), [guarded.nid] * PAGES)
    assert residency(memory).all_on(guarded.nid), f"{residency(memory)}"
    guarded.reset_counters()
    memory.advise(MADV_DONTNEED)
    worker.step()
    if not write:
        assert residency(memory, worker.pid).all_on(guarded.nid), f"{residency(memory, worker.pid)}"
        assert writable(mod, memory, worker.pid) == 0
        assert not faults(guarded), "reads fault"
        worker.step()
    events = faults(guarded)
    assert Counter(event.addr for event in events) == Counter(memory.addrs()), f"{len(events)} calls"
    assert not residency(memory, worker.pid).any_on(guarded.nid)
    worker.finish()


def mapped_anew(memory: Mapping, write: bool) -> Iterator[None]:
    """For a child: what it has of the file's pages comes from the page cache."""
    memory.advise(MADV_DONTNEED)
    if write:
        memory.touch(2)
    else:
        memory.verify()
    yield


@requirement("SVC-04")
@by_size
def test_read_from_the_page_cache(
    guarded: PrivateNode, open_node: OpenNode, shared: Callable[[], Mapping], ordinary_node: Node,
    mod: TestModule, child: ChildFactory, level: Level,
) -> None:  # fmt: skip
    """A folio that one task brought to P is mapped by the next one's read: as it was by the first."""
    memory = arrived(shared(), ordinary_node.nid, guarded)
    worker = child.start(mapped_anew, memory, False)
    worker.step()
    assert residency(memory, worker.pid).all_on(guarded.nid), f"{residency(memory, worker.pid)}"
    assert levels(mod, memory, worker.pid) == {level}
    assert writable(mod, memory, worker.pid) == 0, f"of {memory.pages} pages on P"
    assert not faults(guarded), "reads fault"
    open_node(Ops.MIGRATION)
    control = arrived(shared(), ordinary_node.nid, guarded)
    worker = child.start(mapped_anew, control, False)
    worker.step()
    assert writable(mod, control, worker.pid) == control.pages, "the control, without the flag"


@requirement("SVC-04")
@by_size
def test_written_from_the_page_cache(
    guarded: PrivateNode, open_node: OpenNode, shared: Callable[[], Mapping], ordinary_node: Node,
    child: ChildFactory, level: Level,
) -> None:  # fmt: skip
    """A write maps it, and then takes the fault that the owner gets: once for each folio."""
    memory = arrived(shared(), ordinary_node.nid, guarded)
    worker = child.start(mapped_anew, memory, True)
    worker.step()
    events = faults(guarded)
    assert [event.addr for event in events] == memory.addrs(step=HUGE if level is Level.PMD else 1)
    assert {(event.level, event.pid) for event in events} == {(level, worker.pid)}
    assert not residency(memory, worker.pid).any_on(guarded.nid), f"{residency(memory, worker.pid)}"
    memory.verify(2)
    open_node(Ops.MIGRATION)
    control = arrived(shared(), ordinary_node.nid, guarded)
    child.start(mapped_anew, control, True).step()
    assert residency(control).all_on(guarded.nid), f"the control, without the flag: {residency(control)}"


@requirement("SVC-04a")
@pytest.mark.parametrize("kind", ["base", "huge"])
def test_private_memory_without_a_handler(
    open_node: OpenNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule, kind: str
) -> None:
    """An owner that takes no faults: the write makes a copy where the policy says."""
    node = open_node(PROTECTED, callbacks=DEAF)
    memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, node)
    assert writable(mod, memory) == 0
    memory.touch(2, first=3, count=5)
    nodes = residency(memory).nodes
    assert node.nid not in nodes[3:8], f"written on P: {residency(memory)}"
    assert nodes[8:].count(node.nid) == memory.pages - 8, f"more than what was written: {residency(memory)}"
    memory.verify(2, first=3, count=5)
    memory.verify(1, first=8)
    memory.touch(3)
    memory.verify(3)
    assert not residency(memory).any_on(node.nid)


@requirement("SVC-04a")
def test_shared_memory_without_a_handler(
    open_node: OpenNode, anon: AnonFactory, ordinary_node: Node, child: ChildFactory
) -> None:
    """There is nothing to copy to: SIGBUS, and nothing is written."""
    node = open_node(PROTECTED, callbacks=DEAF)
    memory = arrived(anon(**KINDS["shmem"]), ordinary_node.nid, node)
    with pytest.raises(ChildDied) as death:
        child(memory.touch, 2)
    assert death.value.signal == signal.SIGBUS, f"{death.value}"
    memory.verify()
    open_node(Ops.MIGRATION)
    child(memory.touch, 2)
    memory.verify(2)


@requirement("SVC-04")
def test_copies_of_a_fork(
    guarded: PrivateNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule, child: ChildFactory
) -> None:
    """Both tasks read P's folios; either write reaches the owner, and each has right data in the end."""
    memory = arrived(anon(PAGES), ordinary_node.nid, guarded)

    def work() -> Iterator[None]:
        memory.verify()
        yield
        memory.touch(2)
        memory.verify(2)
        yield
        memory.verify(2)

    worker = child.start(work)
    worker.step()
    assert writable(mod, memory) == writable(mod, memory, worker.pid) == 0
    assert not faults(guarded), "reads fault"
    worker.step()
    assert {event.pid for event in faults(guarded)} == {worker.pid}
    memory.verify()
    memory.touch(3)
    worker.finish()
    memory.verify(3)

# SPDX-License-Identifier: GPL-2.0-only
"""DEV-07: an mmu notifier sees whatever takes a page of the node from a task, before the page is used again.

A device with page tables of its own relies on it. What counts is that an invalidation overlapped the range,
began before the page went back and ended; of which kind it was is the kernel's affair and only shown.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import (
    MADV_DONTNEED,
    MPOL_MF_MOVE,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_NONE,
    PROT_READ,
    Mode,
)
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Callback, Callbacks, Ops, TestModule
from helpers.testmod.results import NotifierCounts
from selftests.device.conftest import DeviceFactory

PAGES = 16
OPEN = Ops.MIGRATION | Ops.MEMPOLICY
COUNTED = Callbacks.MIGRATE_TO | Callbacks.FOLIO_MIGRATE | Callbacks.FREE_FOLIO

CHANGES: dict[str, Callable[[Mapping], object]] = {
    "munmap": lambda memory: memory.unmap(4, 2),
    "dontneed": lambda memory: memory.advise(MADV_DONTNEED, first=4, count=2),
    "read_only": lambda memory: memory.protect(PROT_READ, first=4, count=2),
    "no_access": lambda memory: memory.protect(PROT_NONE, first=4, count=2),
}


@contextmanager
def watching(mod: TestModule, memory: Mapping) -> Iterator[Callable[[], NotifierCounts]]:
    """A notifier on these pages during the block; what is yielded reads it."""
    mod.notifier_start(memory.addr, memory.nbytes)
    try:
        yield mod.notifier_read
    finally:
        mod.notifier_stop()


def seen(counts: NotifierCounts) -> int:
    """Invalidations that overlapped, all of which ended; AssertionError when one did not."""
    started = sum(counts.overlaps.values())
    assert counts.ends == started, f"{counts.ends} of {started} invalidations ended: {counts}"
    return started


@pytest.mark.core
@requirement("DEV-07")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_of_a_mapping_is_seen(
    closed_node: PrivateNode, mod: TestModule, device: DeviceFactory, change: Callable[[Mapping], object]
) -> None:
    memory = device(closed_node, PAGES)
    memory.touch()
    assert residency(memory).all_on(closed_node.nid), residency(memory)
    with watching(mod, memory) as read:
        assert seen(read()) == 0, f"before: {read()}"
        change(memory)
        assert seen(read()) > 0, f"nothing: {read()}"


@requirement("DEV-07")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changes_elsewhere_are_not(
    closed_node: PrivateNode,
    mod: TestModule,
    device: DeviceFactory,
    device_memory: AnonFactory,
    change: Callable[[Mapping], object],
) -> None:
    memory = device(closed_node, PAGES)
    other = device_memory(PAGES)
    memory.touch()
    other.touch()
    with watching(mod, memory) as read:
        change(other)
        assert seen(read()) == 0, read()
        assert sum(read().events.values()) > 0, "the control: no event at all"


@requirement("DEV-07")
def test_a_move_of_the_mapping_is_seen(
    closed_node: PrivateNode, mod: TestModule, device: DeviceFactory, anon: AnonFactory
) -> None:
    memory, place = device(closed_node, PAGES), anon(PAGES)
    memory.touch()
    target = place.addr
    place.close()
    with watching(mod, memory) as read:
        memory.remap(PAGES, MREMAP_MAYMOVE | MREMAP_FIXED, target)
        assert seen(read()) > 0, read()
    memory.verify()


@requirement("DEV-07")
def test_a_copy_on_write_is_seen(
    closed_node: PrivateNode,
    ordinary_node: Node,
    mod: TestModule,
    device: DeviceFactory,
) -> None:
    memory = device(closed_node, PAGES, shared=False)
    memory.read_fault()
    assert residency(memory).all_on(closed_node.nid), residency(memory)
    with watching(mod, memory) as read:
        for index in range(PAGES):
            before = seen(read())
            memory.touch(first=index, count=1)
            assert seen(read()) > before, f"page {index} was replaced unseen: {read()}"
    assert residency(memory).all_on(ordinary_node.nid), residency(memory)


@requirement("DEV-07")
def test_a_fork_of_a_private_mapping_is_seen(
    closed_node: PrivateNode, mod: TestModule, device: DeviceFactory, child: ChildFactory
) -> None:
    memory = device(closed_node, PAGES, shared=False)
    memory.touch(count=PAGES // 2)
    memory.read_fault(first=PAGES // 2)
    with watching(mod, memory) as read:
        child(lambda: memory.verify(count=PAGES // 2))
        assert seen(read()) > 0, f"the fork took write access away unseen: {read()}"


@pytest.mark.core
@requirement("DEV-07")
def test_an_unmap_is_seen_before_the_pages_are_free(
    counting_node: PrivateNode, mod: TestModule, device: DeviceFactory
) -> None:
    memory = device(counting_node, PAGES)
    memory.touch()
    frames = set(residency(memory).frames)
    with watching(mod, memory) as read:
        memory.close()
        counts = read()
    events = counting_node.events(Callback.FREE_FOLIO)
    assert seen(counts) > 0, counts
    assert {event.pfn for event in events} == frames
    early = [event for event in events if event.time < counts.last_start]
    assert not early, f"free before the invalidation at {counts.last_start}: {early}"


@requirement("DEV-07")
def test_the_end_of_the_process_is_seen(
    counting_node: PrivateNode, mod: TestModule, child: ChildFactory
) -> None:
    mod.device(counting_node.nid, PAGES * syscalls.PAGE_SIZE)

    def user() -> Iterator[None]:
        memory = Mapping.of_fd(mod.fileno(), PAGES, shared=True)
        memory.touch()
        mod.notifier_start(memory.addr, memory.nbytes)
        yield

    worker = child.start(user)
    worker.step()
    assert not mod.notifier_read().released
    worker.finish()
    assert mod.notifier_stop().released
    assert counting_node.counters().folios[Callback.FREE_FOLIO] == PAGES, "the control: the pages are back"


MIGRATIONS: dict[str, Callable[[PrivateNode, Mapping, int], object]] = {
    "move_pages": lambda _node, memory, nid: syscalls.move_pages(0, memory.addrs(), [nid], MPOL_MF_MOVE),
    "mbind": lambda _node, memory, nid: memory.bind(Mode.BIND, [nid], MPOL_MF_MOVE),
    "unplug": lambda node, _memory, _nid: node.unplug(),
}


@requirement("DEV-07")
@pytest.mark.parametrize("how", MIGRATIONS)
def test_a_migration_is_seen_before_the_page_is_free(
    open_node: OpenNode,
    ordinary_nodes: list[Node],
    ordinary_node: Node,
    mod: TestModule,
    anon: AnonFactory,
    how: str,
) -> None:
    node = open_node(OPEN, callbacks=COUNTED)
    memory = anon(1)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    (frame,) = residency(memory).frames
    assert residency(memory).all_on(node.nid), residency(memory)
    with watching(mod, memory) as read:
        MIGRATIONS[how](node, memory, ordinary_node.nid)
        counts = read()
    (event,) = (one for one in node.events(Callback.FREE_FOLIO) if one.pfn == frame)
    where = residency(memory)
    assert not where.elsewhere(*(one.nid for one in ordinary_nodes)), where
    assert not where.absent, where
    assert seen(counts) > 0, counts
    assert counts.last_start < event.time, f"free at {event.time}, before the invalidation: {counts}"

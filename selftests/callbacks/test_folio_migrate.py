# SPDX-License-Identifier: GPL-2.0-only
"""CBK-06: folio_migrate, once for each folio that leaves the node or moves within it."""

import os
from collections import Counter
from collections.abc import Callable

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import paths, syscalls
from helpers.constants import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Callback, Callbacks, Migrated, Ops, TestModule
from selftests.callbacks.putting import HUGE, KINDS, OPEN, PAGES, heads, move_all
from selftests.oracle import placed

KIND = pytest.mark.parametrize(
    "kind", [pytest.param("base", marks=core), "huge", pytest.param("shmem", marks=core)]
)
MEMORY = KINDS | {"shmem": {"pages": PAGES, "shared": True}}
ROUTES: dict[str, Callable[[PrivateNode, Mapping, int], object]] = {
    "move_pages": lambda node, memory, nid: move_all(memory, nid),
    "mbind": lambda node, memory, nid: memory.bind(Mode.BIND, [nid], MPOL_MF_MOVE),
    "unplug": lambda node, memory, nid: node.unplug(),
}


def migrated(node: PrivateNode) -> dict[int, int]:
    """Old frame to new frame, of the calls since the last look; AssertionError on a folio named twice, or
    one that was not as the contract says."""
    events = node.events(Callback.FOLIO_MIGRATE)
    twice = [pfn for pfn, count in Counter(event.pfn for event in events).items() if count > 1]
    assert not twice, f"more than one call for the folios at {twice}"
    wanted = Migrated.SRC_LOCKED | Migrated.DST_LOCKED | Migrated.COPIED
    found = {event.pfn: Migrated(event.mode) for event in events if event.mode != wanted}
    assert not found, f"not locked, copied and unmapped when called: {found}"
    return {event.pfn: event.pfn2 for event in events}


@requirement("CBK-06")
@KIND
@pytest.mark.parametrize("route", ROUTES)
def test_once_for_each_folio_that_leaves(
    open_node: OpenNode, ordinary_node: Node, anon: AnonFactory, kind: str, route: str
) -> None:
    node = open_node(OPEN)
    memory = placed(anon(**MEMORY[kind]), ordinary_node.nid)
    move_all(memory, node.nid)
    before = [*heads(memory)]
    assert not migrated(node), "called for folios that arrive"
    ROUTES[route](node, memory, ordinary_node.nid)
    assert not residency(memory).any_on(node.nid), residency(memory)
    assert migrated(node) == dict(zip(before, heads(memory), strict=True))
    memory.verify()


@requirement("CBK-06")
@core
def test_by_migrate_pages(
    open_node: OpenNode, ordinary_node: Node, anon: AnonFactory, child: ChildFactory
) -> None:
    node = open_node(OPEN)

    def mover() -> object:
        memory = placed(Mapping.anonymous(PAGES), ordinary_node.nid)
        move_all(memory, node.nid)
        before = [*heads(memory)]
        syscalls.migrate_pages(os.getpid(), [node.nid], [ordinary_node.nid])
        memory.verify()
        return dict(zip(before, heads(memory), strict=True))

    moved = child(mover)
    assert set(moved) & set(moved.values()) == set(), "they did not move"
    assert migrated(node) == moved


@requirement("CBK-06")
@core
def test_the_owner_of_the_old_place_is_told(
    open_node: OpenNode, second_open_node: OpenNode, ordinary_node: Node, anon: AnonFactory
) -> None:
    p, q = open_node(OPEN), second_open_node(OPEN)
    memory = placed(anon(PAGES), ordinary_node.nid)
    move_all(memory, p.nid)
    before = [*heads(memory)]
    move_all(memory, q.nid)
    moved = dict(zip(before, heads(memory), strict=True))
    assert (migrated(p), migrated(q)) == (moved, {}), "from P to Q"


@requirement("CBK-06")
@core
def test_not_for_what_does_not_move(open_node: OpenNode, ordinary_node: Node, anon: AnonFactory) -> None:
    node = open_node(OPEN)
    memory = placed(anon(PAGES), ordinary_node.nid)
    move_all(memory, node.nid)
    move_all(memory, node.nid)
    memory.bind(Mode.BIND, [node.nid], MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)
    memory.verify()
    memory.close()
    assert not migrated(node)


@requirement("CBK-06")
def test_within_the_node(open_node: OpenNode, anon: AnonFactory) -> None:
    node = open_node(OPEN | Ops.COMPACTION)
    memory = anon(4 * HUGE)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    for index in range(0, memory.pages, 2):
        memory.unmap(index, 1)
    before = residency(memory).frames
    node.reset_counters()
    paths.write_text(node.node.path / "compact", 1)
    after = residency(memory).frames
    moved = {old: new for old, new in zip(before, after, strict=True) if old != new}
    assert moved, "the control: compaction moved nothing"
    last = node.start // PAGE_SIZE + node.size // PAGE_SIZE
    assert all(new is not None and node.start // PAGE_SIZE <= new < last for new in moved.values()), moved
    seen = migrated(node)
    assert {old: new for old, new in seen.items() if old in before} == moved
    for index in range(1, memory.pages, 2):
        memory.verify(first=index, count=1)


@requirement("CBK-06")
@core
def test_a_refused_move_calls_nothing(
    open_node: OpenNode, ordinary_node: Node, anon: AnonFactory, mod: TestModule
) -> None:
    node = open_node(OPEN)
    memory = placed(anon(PAGES), ordinary_node.nid)
    move_all(memory, node.nid)
    pin = mod.pin(memory.addr, PAGES)
    targets = [ordinary_node.nid] * PAGES
    assert syscalls.move_pages_result(0, memory.addrs(), targets, MPOL_MF_MOVE)[0] == PAGES
    assert not migrated(node)
    mod.unpin(pin)
    move_all(memory, ordinary_node.nid)
    assert len(migrated(node)) == PAGES, "the control: once nothing pins them"


@requirement("CBK-06")
def test_without_migration_the_callback_is_for_nothing(open_node: OpenNode, anon: AnonFactory) -> None:
    """A driver may have the callback and not open the service: then nothing moves, and nothing is told."""
    node = open_node(OPEN)
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    node.set_ops(Ops.NONE, Callbacks.ALL)
    node.reset_counters()
    statuses = syscalls.move_pages(0, memory.addrs(), [0] * PAGES, MPOL_MF_MOVE)
    assert all(status < 0 for status in statuses), f"{statuses}"
    assert not migrated(node)
    assert residency(memory).all_on(node.nid)

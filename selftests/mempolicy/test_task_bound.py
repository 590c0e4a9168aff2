# SPDX-License-Identifier: GPL-2.0-only
"""MPL-02: a task bound to P by set_mempolicy() has its memory there, and nothing of the kernel's."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import Mode
from helpers.memory import smaps
from helpers.nodes import Node
from helpers.residency import residency_of
from helpers.syscalls import PAGE_SIZE
from helpers.testmod import Entry, OnlineType, TestModule
from selftests.mempolicy.bound import (
    PROGRAM_PAGES,
    TABLES,
    digests,
    family,
    kernel_objects,
    page_tables,
    program,
)
from selftests.mempolicy.frames import uses
from selftests.mempolicy.placing import HUGE, OPEN, PAGES, fault, fault_of_task

ZONES = [
    pytest.param(OnlineType.MOVABLE, id="movable", marks=core),
    # Here nothing but the gate keeps the kernel's own pages away.
    pytest.param(OnlineType.KERNEL, id="kernel"),
]
KERNEL_OBJECTS: dict[Entry, dict[str, Any]] = {
    Entry.FOLIO_ALLOC_TASK: {"count": 16},
    Entry.KMALLOC_NODE: {"count": 16, "size": 64 << 10},
    Entry.KMEM_CACHE_NODE: {"count": 64, "size": 1024},
    Entry.KVMALLOC_NODE: {"size": 256 << 10},
    Entry.VMALLOC_NODE: {"size": 256 << 10},
    Entry.PERCPU: {"count": 4, "size": 4096},
}


@requirement("MPL-02")
@core
def test_anonymous_memory_is_on_the_node(p: PrivateNode, child: ChildFactory) -> None:
    where = child(fault_of_task, Mode.BIND, [p.nid], lean=True)
    assert where.all_on(p.nid), f"BIND {p}: {where}"


@requirement("MPL-02")
def test_huge_pages_are_on_the_node(p: PrivateNode, mod: TestModule, child: ChildFactory) -> None:
    where = child(lambda: fault(mod, "set_mempolicy", Mode.BIND, [p.nid], HUGE, thp=True))
    assert where.all_on(p.nid), f"BIND {p}: {where}"


@requirement("MPL-02")
@pytest.mark.parametrize("online", ZONES)
def test_page_tables_are_elsewhere(
    open_node: OpenNode, ordinary_nodes: list[Node], mod: TestModule, child: ChildFactory, online: OnlineType
) -> None:
    node = open_node(OPEN, online=online)
    found = child(page_tables, mod, node.nid)
    assert [page for page, _table in found] == [node.nid] * TABLES, f"(page, table) on nodes {found}"
    assert {table for _page, table in found} <= {one.nid for one in ordinary_nodes}, f"(page, table): {found}"


@requirement("MPL-02")
@pytest.mark.parametrize("online", ZONES)
@pytest.mark.parametrize("entry", KERNEL_OBJECTS, ids=lambda entry: entry.name.lower())
def test_kernel_objects_are_elsewhere(
    open_node: OpenNode,
    ordinary_nodes: list[Node],
    mod: TestModule,
    child: ChildFactory,
    entry: Entry,
    online: OnlineType,
) -> None:
    node = open_node(OPEN, online=online)
    found = child(kernel_objects, mod, node.nid, entry, KERNEL_OBJECTS[entry])
    assert found, f"{entry.name} got nothing"
    assert set(found) <= {one.nid for one in ordinary_nodes}, f"{entry.name} on {node}: pages by node {found}"


@requirement("MPL-02")
@pytest.mark.parametrize("online", [OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])
def test_fork_leaves_only_anonymous_memory_there(
    open_node: OpenNode, mod: TestModule, child: ChildFactory, online: OnlineType
) -> None:
    node = open_node(OPEN, online=online)
    with mod.alloc(
        Entry.ALLOC_PAGES_NODE, node.nid, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE, count=3
    ):
        assert uses(node) == {"other": 3}, "the control: three pages of a driver"
    parent = child.start(family, node.nid)
    tasks = parent.step()
    found = uses(node)
    assert found["anonymous"] >= tasks * PAGES, f"{tasks} tasks with {PAGES} pages each on {node}: {found}"
    assert set(found) == {"anonymous"}, f"frames in use on {node}: {found}"
    parent.finish()


@requirement("MPL-02")
@pytest.mark.parametrize("online", [OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])
def test_exec_leaves_only_anonymous_memory_there(
    open_node: OpenNode, child: ChildFactory, online: OnlineType
) -> None:
    node = open_node(OPEN, online=online)
    parent = child.start(program, node.nid)
    pid, printed = parent.step()
    assert printed == "42"
    found = uses(node)
    own = sum(
        residency_of(start, (end - start) // PAGE_SIZE, pid).counts[node.nid] for start, end, _ in smaps(pid)
    )
    assert own >= PROGRAM_PAGES, f"{own} pages of the executed program on {node}: the policy is lost"
    assert set(found) == {"anonymous"}, f"frames in use on {node}: {found}"
    parent.finish()


@requirement("MPL-02")
def test_reads_and_writes_files(p: PrivateNode, child: ChildFactory, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(bytes(range(256)) * 1024)
    expected = hashlib.sha256(old.read_bytes()).hexdigest()
    assert child(digests, p.nid, old, new) == (expected, expected)
    old.unlink()


@requirement("MPL-02")
@core
def test_other_tasks_are_not_affected(
    p: PrivateNode, ordinary_nodes: list[Node], child: ChildFactory
) -> None:
    bound = child(fault_of_task, Mode.BIND, [p.nid], lean=True)
    other = child(fault_of_task, Mode.DEFAULT, [], lean=True)
    assert bound.all_on(p.nid), f"{bound}"
    assert set(other.counts) <= {node.nid for node in ordinary_nodes}, f"a task without policy: {other}"

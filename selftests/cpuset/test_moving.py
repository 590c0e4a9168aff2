# SPDX-License-Identifier: GPL-2.0-only
"""CPS-06, CPS-06a: tasks with pages on P that move to another cpuset, with and without memory_migrate."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from fixtures.cgroups import CpusetFactory
from fixtures.nodes import OpenNode, PrivateNode, unchanged_free_pages
from fixtures.process import Child, ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.cgroup import Cgroup
from helpers.nodes import Node
from helpers.residency import Residency
from helpers.testmod import Callback, Ops
from helpers.wait import wait_until
from selftests.cpuset.conftest import ids, ordinary
from selftests.cpuset.following import PAGES, owner

#: Nodes of the cpuset before, and of the one after.
MOVES = (
    "DP D", "DP E", "EP D", "DPQ DQ", "DEP E",
    "D DP", "D EP", "E DPQ", "DP EP", "DP EQ", "DQ DP",
)  # fmt: skip
moves = pytest.mark.parametrize(("before", "after"), [row.split() for row in MOVES])
moves_of_version_1 = pytest.mark.parametrize(
    ("before", "after"), [("DP", "D"), ("DP", "E"), ("DP", "EP"), ("DPQ", "EQ")]
)


def by_node(found: Residency, letters: str) -> dict[str, set[int | None]]:
    """Where the pages are that began on each of the nodes."""
    return {
        letter: set(found.nodes[index * PAGES : (index + 1) * PAGES]) for index, letter in enumerate(letters)
    }


@pytest.fixture
def moved(nodes: dict[str, int], child: ChildFactory) -> Callable[..., tuple[Child, Residency, Residency]]:
    """`moved(before, after, letters)`: a task with pages on these nodes goes from one cpuset to the other;
    where its pages were and are."""

    def move(before: Cgroup, after: Cgroup, letters: str) -> tuple[Child, Residency, Residency]:
        worker = child.start(owner, ids(nodes, letters), cgroup=before, lean=True)
        first = worker.step()
        assert first.nodes == [nodes[letter] for letter in letters for _page in range(PAGES)], f"{first}"
        after.attach(worker.pid)
        return worker, first, worker.step()

    return move


def assert_kept_and_ordinary(nodes: dict[str, int], before: str, after: str, now: Residency) -> None:
    """Pages on a node that is kept stay, the others are on ordinary nodes of the new cpuset."""
    for letter, places in by_node(now, before).items():
        allowed = {nodes[letter]} if letter in after else ordinary(nodes, after)
        assert places <= allowed, f"{before} to {after} of {nodes}, those on {letter}: {now}"


@requirement("CPS-06")
@core
@moves
def test_pages_leave_a_node_that_is_lost(
    nodes: dict[str, int], cpuset: CpusetFactory, moved: Callable[..., object], before: str, after: str
) -> None:
    """Version 2 cpusets migrate always: by position, or to ordinary nodes only (CPS-06a)."""
    _worker, _first, now = moved(cpuset(ids(nodes, before)), cpuset(ids(nodes, after)), before)
    assert now.absent == 0, f"{now}"
    assert set(now.counts) <= set(ids(nodes, after)), f"{before} to {after} of {nodes}: {now}"


@requirement("CPS-06a")
@core
@moves
def test_nothing_is_moved_to_a_private_node(
    nodes: dict[str, int], cpuset: CpusetFactory, moved: Callable[..., object], before: str, after: str
) -> None:
    _worker, _first, now = moved(cpuset(ids(nodes, before)), cpuset(ids(nodes, after)), before)
    assert now.absent == 0, f"{now}"
    assert_kept_and_ordinary(nodes, before, after, now)


@requirement("CPS-06")
@core
@pytest.mark.parametrize("flags", [Ops.NONE, Ops.RECLAIM], ids=["closed", "reclaim"])
def test_no_page_gets_onto_a_node_without_migration(
    nodes: dict[str, int], second_open_node: OpenNode, second_ordinary_node: Node, cpuset: CpusetFactory,
    moved: Callable[..., object], flags: Ops,
) -> None:  # fmt: skip
    """Pages whose place Q would be go to E or stay: that is not said."""
    q, e = second_open_node(flags), second_ordinary_node.nid
    with unchanged_free_pages(q):
        _worker, _first, now = moved(cpuset(ids(nodes, "DP")), cpuset([e, q.nid]), "DP")
    assert now.absent == 0, f"{now}"
    assert q.nid not in now.counts, f"{q} is not open for migration: {now}"
    assert e in now.counts, f"the control, node {e}: {now}"


@requirement("CPS-06")
@core
def test_the_owner_is_told_of_pages_that_leave(
    nodes: dict[str, int], p: PrivateNode, cpuset: CpusetFactory, moved: Callable[..., object]
) -> None:
    groups = cpuset(ids(nodes, "DP")), cpuset(ids(nodes, "D"))
    p.reset_counters()
    moved(*groups, "DP")
    assert p.counters().calls[Callback.FOLIO_MIGRATE] == PAGES, f"{p.counters()}"


@requirement("CPS-06")
@core
def test_pages_of_a_closed_node_stay(
    second_open_node: OpenNode, ordinary_node: Node, open_node: OpenNode, child: ChildFactory,
    cpuset: CpusetFactory,
) -> None:  # fmt: skip
    """It does not take part in migration; the task loses nothing."""
    node = open_node(Ops.MIGRATION | Ops.MEMPOLICY)
    before, after = cpuset([ordinary_node.nid, node.nid]), cpuset([ordinary_node.nid])
    worker = child.start(owner, [ordinary_node.nid, node.nid], cgroup=before, lean=True)
    first = worker.step()
    node.clear_ops()
    after.attach(worker.pid)
    now = worker.step()
    assert now.frames == first.frames, f"{first}, then {now}"


@pytest.fixture
def v1_groups(v1_root: Cgroup, nodes: dict[str, int]) -> Iterator[Callable[[str, bool], Cgroup]]:
    """`v1_groups(letters, migrate)`: a version 1 cpuset with these nodes and that memory_migrate."""
    with ExitStack() as stack:

        def make(letters: str, migrate: bool) -> Cgroup:
            group = stack.enter_context(v1_root.create(f"pnode-{letters}-{migrate}"))
            group.write("cpuset.cpus", v1_root.read("cpuset.cpus"))
            group.set_mems(ids(nodes, letters))
            group.write("cpuset.memory_migrate", int(migrate))
            return group

        yield make


@requirement("CPS-06")
@pytest.mark.parametrize("migrate", [False, True], ids=["stay", "migrate"])
@moves_of_version_1
def test_version_1_asks_memory_migrate(
    nodes: dict[str, int], v1_groups: Callable[[str, bool], Cgroup], moved: Callable[..., object],
    before: str, after: str, migrate: bool,
) -> None:  # fmt: skip
    _worker, first, now = moved(v1_groups(before, False), v1_groups(after, migrate), before)
    assert now.absent == 0, f"{now}"
    if migrate:
        assert set(now.counts) <= set(ids(nodes, after)), f"{before} to {after} of {nodes}: {now}"
    else:
        assert now.frames == first.frames, f"{before} to {after}: {first}, then {now}"


@requirement("CPS-06a")
@moves_of_version_1
def test_version_1_moves_nothing_to_a_private_node(
    nodes: dict[str, int], v1_groups: Callable[[str, bool], Cgroup], moved: Callable[..., object],
    before: str, after: str,
) -> None:  # fmt: skip
    _worker, _first, now = moved(v1_groups(before, False), v1_groups(after, True), before)
    assert_kept_and_ordinary(nodes, before, after, now)


@requirement("CPS-06")
@pytest.mark.parametrize("migrate", [False, True], ids=["stay", "migrate"])
def test_version_1_cpuset_that_loses_the_node(
    nodes: dict[str, int], v1_groups: Callable[[str, bool], Cgroup], child: ChildFactory, migrate: bool
) -> None:
    group = v1_groups("DP", migrate)
    worker = child.start(owner, ids(nodes, "DP"), cgroup=group, lean=True)
    first = worker.step()
    group.set_mems([nodes["D"]])
    if not migrate:
        assert worker.step().frames == first.frames
        return
    wait_until(lambda: worker.step().all_on(nodes["D"]), 10, lambda: f"all on D, are {worker.step()}")

# SPDX-License-Identifier: GPL-2.0-only
"""CPS-03 and CPS-04: what becomes of policies and of their pages when a cpuset gains or loses P."""

from collections.abc import Callable

import pytest

from fixtures.cgroups import CpusetFactory
from fixtures.nodes import OpenNode, PrivateNode, unchanged_free_pages
from fixtures.process import Child, ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.cgroup import Cgroup
from helpers.constants import MPOL_F_STATIC_NODES, Mode
from helpers.nodemask import NodeMask
from helpers.nodes import Node
from helpers.testmod import Ops
from selftests.cpuset.conftest import ids, ordinary
from selftests.cpuset.following import PAGES, Seen, following
from selftests.mempolicy.letters import with_e

#: Modes whose nodes are rebound. The others keep theirs, on ordinary nodes as well, and are only a wish.
REBOUND = (Mode.BIND, Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE)
#: Nodes of the policy, of the cpuset before, of the cpuset after.
CHANGES = ("D D PE", "E DE DP", "DE DE DP", "P DP DQ", "P DP E", "PQ DPQ DEP", "D D Q", "DEPQ DEPQ DP")
NOT_REBOUND = (Mode.PREFERRED, Mode.PREFERRED_MANY, Mode.LOCAL, Mode.DEFAULT)
by_policy = pytest.mark.parametrize("by", ["mbind", "set_mempolicy"])
#: `task(by, mode, letters, mems) -> (cpuset, worker)`
Task = Callable[[str, int, str, str], tuple[Cgroup, Child]]


@pytest.fixture
def task(nodes: dict[str, int], child: ChildFactory, cpuset: CpusetFactory) -> Task:
    """A task in a cpuset of its own, with memory under a policy; nodes by letter."""

    def start(by: str, mode: int, letters: str, mems: str) -> tuple[Cgroup, Child]:
        group = cpuset(ids(nodes, mems))
        return group, child.start(following, by, mode, ids(nodes, letters), cgroup=group, lean=True)

    return start


def assert_as_shown(seen: Seen) -> None:
    """Fresh pages are on the nodes that the policy names."""
    assert seen.fresh.absent == 0, f"{seen}"
    assert set(seen.fresh.counts) <= set(seen.nodes), f"fresh pages beside the policy: {seen}"


@requirement("CPS-03")
@core
@by_policy
@pytest.mark.parametrize(
    ("mask", "mems"), [("P", "DP"), ("DP", "DP"), ("P", "DEPQ"), ("EP", "DEPQ"), ("PQ", "DEPQ")]
)
@pytest.mark.parametrize("mode", REBOUND, ids=lambda mode: mode.name.lower().replace("_", "-"))
def test_node_taken_away(
    nodes: dict[str, int], task: Task, by: str, mode: Mode, mask: str, mems: str
) -> None:
    """Later faults go to what is left, and the policy names that, whoever asks."""
    group, worker = task(by, mode, mask, mems)
    first = worker.step()
    assert (first.mode, set(first.nodes)) == (mode, set(ids(nodes, mask))), f"to begin with: {first}"
    left = ordinary(nodes, mems)
    group.set_mems(left)
    seen = worker.step()
    assert seen.mode == mode, f"{seen}"
    assert seen.nodes, f"{seen}"
    assert set(seen.nodes) <= left, f"cpuset {left}: {seen}"
    assert seen.text.endswith(f":{seen.nodes}"), f"numa_maps, get_mempolicy() has {seen.nodes}: {seen}"
    assert_as_shown(seen)
    assert set(seen.all.counts) <= left, f"version 2 cpusets take pages along: {seen}"
    worker.finish()


@requirement("CPS-03")
@core
@by_policy
@pytest.mark.parametrize("mode", NOT_REBOUND, ids=lambda mode: mode.name.lower())
def test_node_taken_away_from_policies_that_are_not_rebound(
    nodes: dict[str, int], task: Task, by: str, mode: Mode
) -> None:
    mask = "P" if mode in (Mode.PREFERRED, Mode.PREFERRED_MANY) else ""
    group, worker = task(by, mode, mask, "DP")
    first = worker.step()
    assert first.fresh.all_on(nodes["P" if mask else "D"]), f"to begin with: {first}"
    group.set_mems([nodes["D"]])
    seen = worker.step()
    assert seen.fresh.all_on(nodes["D"]), f"cpuset {{D}}: {seen}"
    assert set(seen.all.counts) == {nodes["D"]}, f"old pages: {seen}"
    worker.finish()


@requirement("CPS-03")
@core
@by_policy
@with_e
def test_static_policy_keeps_naming_the_node(nodes: dict[str, int], task: Task, by: str) -> None:
    """For get_mempolicy(), which tells what was named; kernels show in numa_maps what it comes to."""
    mode, mask = Mode.BIND | MPOL_F_STATIC_NODES, NodeMask(ids(nodes, "EP"))
    group, worker = task(by, mode, "EP", "DEP")
    worker.step()
    for mems, expected in (("DE", "E"), ("D", "D"), ("DP", "P"), ("DE", "E")):
        group.set_mems(ids(nodes, mems))
        seen = worker.step()
        assert (seen.mode, seen.nodes) == (mode, mask), f"cpuset {mems}: {seen}"
        texts = [f"bind=static:{shown}" for shown in (mask, NodeMask.of(nodes[expected]))]
        assert seen.text in texts, f"cpuset {mems}, {texts}: {seen}"
        assert seen.fresh.all_on(nodes[expected]), f"cpuset {mems} of {nodes}: {seen}"
    worker.finish()


@requirement("CPS-03")
@core
@with_e
def test_node_given_back_is_no_part_of_an_old_policy(nodes: dict[str, int], task: Task) -> None:
    """A policy that was rebound to D stays with D's place in the cpuset; no page gets onto P by itself."""
    group, worker = task("mbind", Mode.BIND, "DE", "DE")
    worker.step()
    group.set_mems(ids(nodes, "DEP"))
    seen = worker.step()
    assert_as_shown(seen)
    group.set_mems(ids(nodes, "DE"))
    seen = worker.step()
    assert set(seen.nodes) == set(ids(nodes, "DE")), f"{seen}"
    assert_as_shown(seen)
    worker.finish()


@requirement("CPS-04")
@core
@by_policy
@pytest.mark.parametrize(("mask", "before", "after"), [row.split() for row in CHANGES], ids=CHANGES)
@pytest.mark.parametrize("mode", [Mode.BIND, Mode.INTERLEAVE], ids=lambda mode: mode.name.lower())
def test_fresh_pages_are_where_the_policy_says(
    nodes: dict[str, int], ordinary_nodes: list[Node], task: Task, by: str, mode: Mode,
    mask: str, before: str, after: str,
) -> None:  # fmt: skip
    """Whatever a remap made of it: the gate follows the nodes, both ways and back again."""
    group, worker = task(by, mode, mask, before)
    first = worker.step()
    assert set(first.nodes) == set(ids(nodes, mask)), f"to begin with: {first}"
    for mems in (after, before, after):
        group.set_mems(ids(nodes, mems))
        seen = worker.step()
        assert seen.nodes, f"cpuset {mems} of {nodes}: {seen}"
        extra = {node.nid for node in ordinary_nodes} if mems == "Q" else set()
        assert set(seen.nodes) <= set(ids(nodes, mems)) | extra, f"cpuset {mems} of {nodes}: {seen}"
        assert_as_shown(seen)
    worker.finish()


@requirement("CPS-04")
@core
@by_policy
@pytest.mark.parametrize("static", [False, True], ids=["remapped", "static"])
@pytest.mark.parametrize("flags", [None, Ops.MIGRATION], ids=["closed", "migration"])
@with_e
def test_rebinding_drops_a_node_that_has_closed(
    nodes: dict[str, int], p: PrivateNode, open_node: OpenNode, task: Task, by: str, static: bool,
    flags: Ops | None,
) -> None:  # fmt: skip
    group, worker = task(by, Mode.BIND | (MPOL_F_STATIC_NODES if static else 0), "EP", "DEP")
    worker.step()
    if flags is None:
        p.clear_ops()
    else:
        open_node(flags)
    group.set_mems(ids(nodes, "EP"))
    with unchanged_free_pages(p):
        seen = worker.step()
    assert seen.fresh.all_on(nodes["E"]), f"P closed, cpuset {{E,P}}: {seen}"
    assert static or nodes["P"] not in seen.nodes, f"the policy still names the closed P: {seen}"
    worker.finish()


@requirement("CPS-04")
@core
@by_policy
@pytest.mark.parametrize("mode", [Mode.BIND, Mode.INTERLEAVE], ids=lambda mode: mode.name.lower())
def test_no_remap_leads_to_a_closed_node(
    open_node: OpenNode, second_closed_node: PrivateNode, ordinary_node: Node, second_ordinary_node: Node,
    child: ChildFactory, cpuset: CpusetFactory, by: str, mode: Mode,
) -> None:  # fmt: skip
    """A policy on D and E in a cpuset that then has one of them and the closed Q in its place."""
    open_node(Ops.MIGRATION | Ops.MEMPOLICY)
    q, d, e = second_closed_node, ordinary_node.nid, second_ordinary_node.nid
    group = cpuset([d, e])
    worker = child.start(following, by, mode, [d, e], cgroup=group, lean=True)
    worker.step()
    for mems in ([d, q.nid], [e, q.nid], [d, e, q.nid]):
        group.set_mems(mems)
        with unchanged_free_pages(q):
            seen = worker.step()
        assert q.nid not in seen.nodes, f"cpuset {mems}, closed {q.nid}: {seen}"
        assert_as_shown(seen)
        assert len(seen.fresh.nodes) == PAGES
    worker.finish()

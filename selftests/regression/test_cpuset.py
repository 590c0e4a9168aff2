# SPDX-License-Identifier: GPL-2.0-only
"""REG-10: policies on ordinary nodes while the task's cpuset changes, P (open) and Q (closed) being there."""

import pytest

from fixtures.cgroups import CpusetFactory
from fixtures.nodes import PrivateNode, unchanged_free_pages
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import MPOL_F_RELATIVE_NODES, MPOL_F_STATIC_NODES, Mode
from helpers.nodemask import NodeMask
from selftests.cpuset.following import following

by_policy = pytest.mark.parametrize("by", ["mbind", "set_mempolicy"])


@requirement("REG-10")
@core
@by_policy
@pytest.mark.parametrize(
    "mode", [Mode.BIND, Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE], ids=lambda mode: mode.name.lower()
)
def test_policies_are_remapped(
    ordinary: dict[str, int], child: ChildFactory, cpuset: CpusetFactory, by: str, mode: Mode
) -> None:
    d, e = ordinary["D"], ordinary["E"]
    group = cpuset([d])
    worker = child.start(following, by, mode, [d], cgroup=group, lean=True)
    for mems, expected in (([d], {d}), ([e], {e}), ([d], {d})):
        group.set_mems(mems)
        seen = worker.step()
        assert (seen.mode, set(seen.nodes)) == (mode, expected), f"cpuset {mems}: {seen}"
        assert set(seen.all.counts) == expected, f"cpuset {mems}, pages go along: {seen}"
    worker.finish()


@requirement("REG-10")
@core
@by_policy
def test_static_policies_are_kept(
    ordinary: dict[str, int], child: ChildFactory, cpuset: CpusetFactory, by: str
) -> None:
    d, e = ordinary["D"], ordinary["E"]
    mode, mask = Mode.BIND | MPOL_F_STATIC_NODES, NodeMask.of(e)
    group = cpuset([d, e])
    worker = child.start(following, by, mode, [e], cgroup=group, lean=True)
    for mems, expected in (([d, e], e), ([d], d), ([e], e), ([d, e], e)):
        group.set_mems(mems)
        seen = worker.step()
        assert (seen.mode, seen.nodes) == (mode, mask), f"cpuset {mems}: {seen}"
        assert seen.fresh.all_on(expected), f"cpuset {mems}: {seen}"
    worker.finish()


@requirement("REG-10")
@core
@by_policy
def test_relative_policies_are_folded(
    ordinary: dict[str, int], child: ChildFactory, cpuset: CpusetFactory, by: str
) -> None:
    both = sorted(ordinary.values())
    group = cpuset(both)
    worker = child.start(following, by, Mode.BIND | MPOL_F_RELATIVE_NODES, [1], cgroup=group, lean=True)
    for mems in (both, both[:1], both[1:], both):
        group.set_mems(mems)
        seen = worker.step()
        assert seen.nodes == {1}, f"what was named: {seen}"
        assert seen.fresh.all_on(mems[1 % len(mems)]), f"BIND|RELATIVE {{1}} in a cpuset {mems}: {seen}"
    worker.finish()


@requirement("REG-10")
@core
@by_policy
@pytest.mark.parametrize("mode", [Mode.BIND, Mode.INTERLEAVE], ids=lambda mode: mode.name.lower())
def test_private_nodes_that_join_the_cpuset_get_nothing(
    ordinary: dict[str, int], p: PrivateNode, q: PrivateNode, child: ChildFactory, cpuset: CpusetFactory,
    by: str, mode: Mode,
) -> None:  # fmt: skip
    """A policy on all of the cpuset's ordinary nodes stays within them while closed ones come and go."""
    both = list(ordinary.values())
    group = cpuset(both)
    worker = child.start(following, by, mode, both, cgroup=group, lean=True)
    with unchanged_free_pages(q):
        for mems in (both, [*both, q.nid], both, [both[0], q.nid]):
            group.set_mems(mems)
            seen = worker.step()
            assert set(seen.nodes) <= set(both), f"cpuset {mems}, {q}: {seen}"
            assert set(seen.all.counts) <= set(both), f"cpuset {mems}, {q}: {seen}"
    worker.finish()

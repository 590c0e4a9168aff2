# SPDX-License-Identifier: GPL-2.0-only
"""HPL-13: the masks of cpusets while nodes come and go."""

from collections.abc import Iterator, Set
from typing import Any

import pytest

from fixtures.cgroups import CpusetFactory
from fixtures.nodes import PrivateRange
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.cgroup import Cgroup, mems_allowed
from helpers.constants import MPOL_F_MEMS_ALLOWED
from helpers.nodemask import NodeMask
from helpers.nodes import Node
from helpers.testmod import Kind, Ops
from helpers.wait import wait_until

FOLLOW = 10.0  # seconds: the kernel does it in a work item


def wait_mems(group: Cgroup, wanted: Set[int]) -> None:
    """The group's effective nodes become these."""
    wait_until(
        lambda: group.mems_effective() == wanted,
        FOLLOW,
        lambda: f"{group}: effective nodes {wanted}, they are {group.mems_effective()}",
    )


def wait_allowed(pid: int, wanted: Set[int]) -> None:
    """The nodes of the task's cpuset become these."""
    wait_until(
        lambda: mems_allowed(pid) == wanted,
        FOLLOW,
        lambda: f"nodes {wanted} allowed, {mems_allowed(pid)} are",
    )


def waiting() -> Iterator[object]:
    """For a child: at each step the nodes that the kernel allows it, by get_mempolicy()."""
    while True:
        yield syscalls.get_mempolicy(flags=MPOL_F_MEMS_ALLOWED)[1]


@pytest.fixture(params=["closed", "open", "ordinary"])
def plug_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A closed node, an open one, and as the control ordinary memory on the same range."""
    options: dict[str, dict[str, Any]] = {
        "closed": {},
        "open": {"ops": Ops.MIGRATION | Ops.MEMPOLICY},
        "ordinary": {"kind": Kind.ORDINARY},
    }
    return options[request.param]


@requirement("HPL-13")
@core
def test_the_root_has_what_is_there(
    unplugged: PrivateRange, cpuset: CpusetFactory, plug_options: dict[str, Any]
) -> None:
    cpuset()  # mounts the hierarchy and turns the controller on
    root, nid = Cgroup.root(), unplugged.nid
    without = root.mems_effective()
    assert nid not in without
    for _again in range(2):
        node = unplugged.plug(**plug_options)
        wait_mems(root, without | {nid})
        node.unplug()
        wait_mems(root, without)


@requirement("HPL-13")
@core
def test_a_group_gets_back_what_it_asked_for(
    unplugged: PrivateRange, ordinary_node: Node, cpuset: CpusetFactory, plug_options: dict[str, Any]
) -> None:
    nid, home = unplugged.nid, ordinary_node.nid
    node = unplugged.plug(**plug_options)
    wait_mems(Cgroup.root(), Cgroup.root().mems_effective() | {nid})
    both, only_home, all_of_it = cpuset([home, nid]), cpuset([home]), cpuset()
    for _again in range(2):
        wait_mems(both, NodeMask([home, nid]))
        wait_mems(all_of_it, Cgroup.root().mems_effective())
        node.unplug()
        wait_mems(both, NodeMask([home]))
        assert nid not in all_of_it.mems_effective()
        assert only_home.mems_effective() == {home}
        node = unplugged.plug(**plug_options)
    wait_mems(both, NodeMask([home, nid]))
    assert only_home.mems_effective() == {home}


@requirement("HPL-13")
@core
def test_tasks_follow_their_group(
    unplugged: PrivateRange, ordinary_node: Node, cpuset: CpusetFactory, child: ChildFactory
) -> None:
    nid, home = unplugged.nid, ordinary_node.nid
    node = unplugged.plug()
    group = cpuset([home, nid])
    worker = child.start(waiting, cgroup=group)
    for wanted in ({home, nid}, {home}, {home, nid}):
        if wanted == {home}:
            node.unplug()
        elif unplugged.parts == []:
            unplugged.plug()
        wait_allowed(worker.pid, wanted)
        assert worker.step() == wanted, "get_mempolicy() says otherwise"


@requirement("HPL-13")
def test_a_group_of_p_alone_outlives_the_unplug(
    unplugged: PrivateRange, ordinary_node: Node, cpuset: CpusetFactory, child: ChildFactory
) -> None:
    node = unplugged.plug()
    group = cpuset([unplugged.nid])
    worker = child.start(waiting, cgroup=group)
    for _again in range(2):
        assert set(worker.step()) - {unplugged.nid}, "no ordinary node to allocate from"
        node.unplug()
        wait_until(
            lambda: unplugged.nid not in mems_allowed(worker.pid),
            FOLLOW,
            "the node gone from the task's mask",
        )
        assert worker.step(), "a task with no node at all"
        node = unplugged.plug()
        wait_until(lambda: unplugged.nid in group.mems_effective(), FOLLOW, "the node back in the group")

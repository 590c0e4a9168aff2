# SPDX-License-Identifier: GPL-2.0-only
"""MIG-03: nodes and tasks that move_pages() must not be given."""

import os

import pytest

from fixtures.cgroups import CpusetFactory
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateRange
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL
from helpers.memory import Mapping
from helpers.nodes import Node, node_list
from helpers.outcome import OK, outcome
from helpers.testmod import TestModule
from helpers.wait import wait_until
from selftests.migration.moves import NOBODY, OPEN, moved
from selftests.migration.tasks import hold
from selftests.oracle import Span, located, placed

FEW = 4
#: What no kernel has as a node; -1 is NUMA_NO_NODE.
ABSURD = (-1, -(1 << 31), (1 << 31) - 1, 1 << 16)


def try_move(pid: int, memory: Span, nid: int | None, flags: int = MPOL_MF_MOVE) -> str:
    """What move_pages() of a few pages (nid None: the query) comes to."""
    addrs = [memory.addr + index * syscalls.PAGE_SIZE for index in range(memory.pages)]
    targets = None if nid is None else [nid] * len(addrs)
    return outcome(syscalls.move_pages, pid, addrs, targets, 0 if nid is None else flags)


def span(memory: Mapping) -> Span:
    return Span(memory.addr, memory.pages)


@requirement("MIG-03")
@core
@pytest.mark.parametrize("start", ["D", "P"])
def test_nodes_out_of_range(
    open_node: OpenNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory, start: str
) -> None:
    nid = {"D": ordinary_node.nid, "P": open_node(OPEN).nid}[start]
    memory = moved(mod, placed(anon(FEW), ordinary_node.nid), nid)
    bad = (*ABSURD, mod.handshake.nr_node_ids)
    assert {node: try_move(0, span(memory), node) for node in bad} == dict.fromkeys(bad, "ENODEV")
    assert located(mod, memory).all_on(nid), "moved nevertheless"
    assert try_move(0, span(memory), ordinary_node.nid) == OK
    memory.verify()


@requirement("MIG-03")
@core
def test_offline_node(
    open_node: OpenNode,
    second_unplugged: PrivateRange,
    ordinary_node: Node,
    mod: TestModule,
    anon: AnonFactory,
) -> None:
    node, offline = open_node(OPEN), second_unplugged.nid
    wait_until(lambda: offline not in node_list("online"), 5, f"node {offline} offline")
    memory = moved(mod, placed(anon(FEW), ordinary_node.nid), node.nid)
    assert try_move(0, span(memory), offline) == "ENODEV"
    assert located(mod, memory).all_on(node.nid), "moved nevertheless"
    memory.verify()


@requirement("MIG-03")
def test_private_node_that_was_unplugged(
    unplugged: PrivateRange, ordinary_node: Node, mod: TestModule, anon: AnonFactory
) -> None:
    node = unplugged.plug(ops=OPEN)
    memory = moved(mod, placed(anon(FEW), ordinary_node.nid), node.nid)
    assert try_move(0, span(memory), ordinary_node.nid) == OK
    node.unplug()
    assert try_move(0, span(memory), node.nid) == "ENODEV"
    assert located(mod, memory).all_on(ordinary_node.nid)
    memory.verify()


@requirement("MIG-03")
@core
def test_good_pages_before_a_bad_node_lose_nothing(
    open_node: OpenNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory
) -> None:
    node = open_node(OPEN)
    memory = placed(anon(FEW), ordinary_node.nid)
    targets = [node.nid, node.nid, -1, node.nid]
    assert outcome(syscalls.move_pages, 0, memory.addrs(), targets, MPOL_MF_MOVE) == "ENODEV"
    assert located(mod, memory).nodes[2:] == [ordinary_node.nid] * 2, f"{located(mod, memory)}"
    memory.verify()


def move_own(mod: TestModule, start: int, nid: int) -> tuple[str, bool]:
    """For a child: what a move of pages of its own comes to, and whether they are on `nid` then."""
    with Mapping.anonymous(FEW) as memory:
        placed(memory, start)
        result = try_move(0, span(memory), nid)
        memory.verify()
        return result, located(mod, memory).all_on(nid)


@requirement("MIG-03")
@core
@pytest.mark.parametrize(
    ("with_node", "result"), [(False, ("EACCES", False)), (True, (OK, True))], ids=["without", "with"]
)
def test_node_outside_of_the_cpuset(
    open_node: OpenNode,
    ordinary_node: Node,
    mod: TestModule,
    child: ChildFactory,
    cpuset: CpusetFactory,
    with_node: bool,
    result: tuple[str, bool],
) -> None:
    node = open_node(OPEN)
    group = cpuset([ordinary_node.nid, node.nid] if with_node else [ordinary_node.nid])
    assert child(move_own, mod, ordinary_node.nid, node.nid, cgroup=group) == result


@requirement("MIG-03")
@core
def test_the_cpuset_of_the_task_that_is_moved_counts(
    open_node: OpenNode, ordinary_node: Node, mod: TestModule, child: ChildFactory, cpuset: CpusetFactory
) -> None:
    node = open_node(OPEN)
    holder = child.start(hold, FEW, 5, cgroup=cpuset([ordinary_node.nid]))
    memory = holder.step()
    assert try_move(holder.pid, memory, node.nid) == "EACCES"
    assert located(mod, memory, holder.pid).all_on(ordinary_node.nid)
    holder.finish()


@requirement("MIG-03")
@core
def test_another_users_task(
    open_node: OpenNode, ordinary_node: Node, mod: TestModule, child: ChildFactory
) -> None:
    node = open_node(OPEN)
    holder = child.start(hold, FEW, 9)
    memory = holder.step()
    for target in (node.nid, ordinary_node.nid, None):
        assert child(try_move, holder.pid, memory, target, uid=NOBODY) == "EPERM", f"target {target}"
    assert located(mod, memory, holder.pid).all_on(ordinary_node.nid)
    assert child(try_move, holder.pid, memory, node.nid) == OK, "the control: root may"
    assert located(mod, memory, holder.pid).all_on(node.nid)
    holder.finish()


@requirement("MIG-03")
@core
def test_a_user_may_move_pages_of_its_own(open_node: OpenNode, mod: TestModule, child: ChildFactory) -> None:
    node = open_node(OPEN)

    def own() -> object:
        with Mapping.anonymous(FEW) as memory:
            memory.touch()
            yield span(memory)
            every = try_move(os.getpid(), span(memory), node.nid, MPOL_MF_MOVE_ALL)
            yield every, try_move(os.getpid(), span(memory), node.nid)
            memory.verify()

    holder = child.start(own, uid=NOBODY)
    memory = holder.step()
    assert holder.step() == ("EPERM", OK), "(with MOVE_ALL, which needs privilege; with MOVE)"
    assert located(mod, memory, holder.pid).all_on(node.nid)
    holder.finish()

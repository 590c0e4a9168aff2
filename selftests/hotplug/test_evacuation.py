# SPDX-License-Identifier: GPL-2.0-only
"""HPL-08: unplugging a node in use, when its owner allows migration: the pages leave with their contents."""

from collections.abc import Iterator

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode, PrivateRange
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import every_cpu
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, Mode
from helpers.memory import Mapping
from helpers.nodes import Node, node_list
from helpers.residency import Residency, residency
from helpers.testmod import OnlineType, Ops, TestModule
from selftests.hotplug.standing import BARE, PRIVATE, standing

# What is to be unplugged may be on the lists of any CPU.
pytestmark = [pytest.mark.disruptive, every_cpu]

OPEN = Ops.MIGRATION | Ops.MEMPOLICY
ZONE = pytest.mark.parametrize("online", [OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])
KINDS = {"anon": (64, {}), "huge": (512, {"thp": True}), "shared": (64, {"shared": True})}


def move_to(memory: Mapping, node: PrivateNode) -> None:
    """Fill the memory with its pattern and have it moved to the node; AssertionError unless all of it is
    there."""
    memory.touch()
    syscalls.move_pages(0, memory.addrs(), [node.nid] * memory.pages, MPOL_MF_MOVE)
    where = residency(memory)
    assert where.all_on(node.nid), f"before the unplug: {where}"


def check_evacuated(where: Residency, ordinary: list[Node]) -> None:
    """All pages are present, on ordinary nodes."""
    assert not where.absent, where
    assert not where.elsewhere(*(node.nid for node in ordinary)), where


@requirement("HPL-08")
@ZONE
@pytest.mark.parametrize(("pages", "options"), KINDS.values(), ids=KINDS)
def test_pages_leave_with_their_contents(
    open_node: OpenNode,
    second_closed_node: PrivateNode,
    ordinary_nodes: list[Node],
    testmod: TestModule,
    anon: AnonFactory,
    online: OnlineType,
    pages: int,
    options: dict[str, bool],
) -> None:
    node = open_node(Ops.MIGRATION, online=online)
    memory = anon(pages, **options)
    move_to(memory, node)
    assert node.unplug() == 0
    check_evacuated(residency(memory), ordinary_nodes)
    memory.verify()
    assert standing(testmod, node.nid) == BARE
    assert node.nid not in node_list("online")
    assert standing(testmod, second_closed_node.nid) == PRIVATE


@pytest.mark.core
@requirement("HPL-08")
def test_pages_bound_by_policy_leave_too(
    open_node: OpenNode, ordinary_nodes: list[Node], testmod: TestModule, anon: AnonFactory
) -> None:
    node = open_node(OPEN)
    memory = anon(32)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch(full=True)
    where = residency(memory)
    assert where.all_on(node.nid), f"before the unplug: {where}"
    assert node.unplug() == 0
    check_evacuated(residency(memory), ordinary_nodes)
    memory.verify(full=True)
    assert standing(testmod, node.nid) == BARE


def holder(nid: int) -> Iterator[tuple[int, int]]:
    """Memory moved to the node, shown to the test and read back at the end."""
    with Mapping.anonymous(64) as memory:
        memory.touch(full=True)
        syscalls.move_pages(0, memory.addrs(), [nid] * memory.pages, MPOL_MF_MOVE)
        yield memory.addr, memory.pages
        memory.verify(full=True)


@requirement("HPL-08")
def test_pages_of_other_processes_leave(
    open_node: OpenNode, ordinary_nodes: list[Node], child: ChildFactory
) -> None:
    node = open_node(Ops.MIGRATION)
    worker = child.start(holder, node.nid)
    memory = Mapping(*worker.step())
    memory.forget()  # it is the child's
    assert residency(memory, worker.pid).all_on(node.nid), residency(memory, worker.pid)
    assert node.unplug() == 0
    check_evacuated(residency(memory, worker.pid), ordinary_nodes)
    worker.finish()


@requirement("HPL-08")
def test_pages_shared_by_a_fork_leave(
    open_node: OpenNode, ordinary_nodes: list[Node], anon: AnonFactory, child: ChildFactory
) -> None:
    node = open_node(Ops.MIGRATION)
    memory = anon(64)
    move_to(memory, node)

    def sharer() -> Iterator[None]:
        yield
        memory.verify()

    worker = child.start(sharer)
    worker.step()
    assert node.unplug() == 0
    check_evacuated(residency(memory), ordinary_nodes)
    assert residency(memory).frames == residency(memory, worker.pid).frames, "the fork lost its sharing"
    memory.verify()
    worker.finish()


@requirement("HPL-08")
def test_the_node_is_as_new_afterwards(
    open_node: OpenNode, unplugged: PrivateRange, testmod: TestModule, anon: AnonFactory
) -> None:
    node = open_node(Ops.MIGRATION)
    memory = anon(64)
    move_to(memory, node)
    node.unplug()
    again = unplugged.plug()
    assert standing(testmod, again.nid) == PRIVATE
    assert again.state().ops_flags == 0, "the ops outlived the unplug"
    assert again.free_pages() == again.managed_pages()
    memory.verify()

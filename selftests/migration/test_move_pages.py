# SPDX-License-Identifier: GPL-2.0-only
"""MIG-01: move_pages() among ordinary and private nodes."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE
from helpers.nodes import Node
from helpers.observed import landed
from helpers.testmod import OnlineType, TestModule
from selftests.migration.moves import (
    HUGE,
    MR_SYSCALL,
    OPEN,
    PAGES,
    folio_addrs,
    move,
    moved,
    names,
    reasons,
)
from selftests.migration.tasks import hold
from selftests.oracle import located, placed

ROUTES = ("D>P", "P>D", "P>Q", "Q>P")
KINDS = {
    "base": {"pages": PAGES},
    "shmem": {"pages": PAGES, "shared": True},
    "huge": {"pages": 2 * HUGE, "thp": True},
}


@pytest.fixture
def nodes(open_node: OpenNode, second_open_node: OpenNode, ordinary_node: Node) -> dict[str, int]:
    """Node ids by letter, P and Q open for migration."""
    return {"P": open_node(OPEN).nid, "Q": second_open_node(OPEN).nid, "D": ordinary_node.nid}


@requirement("MIG-01")
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == "huge" else core) for kind in KINDS], ids=list(KINDS)
)
def test_pages_move_and_keep_their_contents(
    nodes: dict[str, int], mod: TestModule, anon: AnonFactory, route: str, kind: str
) -> None:
    source, target = (nodes[letter] for letter in route.split(">"))
    memory = placed(anon(**KINDS[kind]), nodes["D"])
    assert (len(folio_addrs(memory)) < memory.pages) is (kind == "huge"), f"{memory.smaps()}"
    if source != nodes["D"]:
        moved(mod, memory, source)
    result, statuses = move(memory, target)
    where = landed(located(mod, memory), "move_pages", [target], by=route)
    assert (result, set(statuses)) == (0, {target}), f"{route}: {statuses}; {where}"
    assert where.all_on(target), f"{route}: {where}"
    memory.verify()


@requirement("MIG-01")
@pytest.mark.parametrize("kind", ["base", "huge"])
def test_node_in_the_kernel_zone(
    open_node: OpenNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory, kind: str
) -> None:
    node = open_node(OPEN, online=OnlineType.KERNEL)
    memory = placed(anon(**KINDS[kind]), ordinary_node.nid)
    for target in (node.nid, ordinary_node.nid):
        assert set(move(memory, target)[1]) == {target}
        where = located(mod, memory)
        assert where.all_on(target), f"{where}"
        memory.verify()


@requirement("MIG-01")
@core
def test_owner_is_told_that_a_system_call_wants_it(
    open_node: OpenNode, second_open_node: OpenNode, ordinary_node: Node, anon: AnonFactory
) -> None:
    p, q = open_node(OPEN), second_open_node(OPEN)
    memory = placed(anon(PAGES), ordinary_node.nid)
    told: list[tuple[int, dict[int, int]]] = []
    for target in (p, q):
        p.reset_counters()
        q.reset_counters()
        move(memory, target.nid)
        told += [(node.nid, reasons(node)) for node in (p, q)]
    nothing: dict[int, int] = {}
    all_of_it = {MR_SYSCALL: PAGES}
    assert told == [(p.nid, all_of_it), (q.nid, nothing), (p.nid, nothing), (q.nid, all_of_it)]


@requirement("MIG-01")
@core
def test_each_page_to_a_node_of_its_own(nodes: dict[str, int], mod: TestModule, anon: AnonFactory) -> None:
    memory = placed(anon(PAGES), nodes["D"])
    for letters in ("PQD", "DPQ", "QQP"):
        targets = [nodes[letters[index % 3]] for index in range(PAGES)]
        result, statuses = syscalls.move_pages_result(0, memory.addrs(), targets, MPOL_MF_MOVE)
        where = landed(located(mod, memory), "move_pages", set(targets), by=letters)
        assert (result, statuses) == (0, targets), f"{letters}: {names(statuses)}; {where}"
        assert where.nodes == targets, f"{letters}: {where}"
        memory.verify()


@requirement("MIG-01")
@core
def test_pages_that_are_there_stay(
    open_node: OpenNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory
) -> None:
    node: PrivateNode = open_node(OPEN)
    memory = moved(mod, placed(anon(PAGES), ordinary_node.nid), node.nid)
    before = located(mod, memory).frames
    node.reset_counters()
    assert move(memory, node.nid) == (0, [node.nid] * PAGES)
    assert located(mod, memory).frames == before, "pages moved within their node"
    assert reasons(node) == {}, "the owner was asked to move what is there already"
    memory.verify()


@requirement("MIG-01")
@core
def test_pages_of_another_task(nodes: dict[str, int], mod: TestModule, child: ChildFactory) -> None:
    holder = child.start(hold, PAGES, 7)
    memory = holder.step()
    addrs = [memory.addr + index * syscalls.PAGE_SIZE for index in range(PAGES)]
    for target in (nodes["P"], nodes["Q"], nodes["D"], nodes["P"]):
        result, statuses = syscalls.move_pages_result(holder.pid, addrs, [target] * PAGES, MPOL_MF_MOVE)
        where = located(mod, memory, holder.pid)
        assert (result, set(statuses)) == (0, {target}), f"{names(statuses)}; {where}"
        assert where.all_on(target), f"{where}"
    holder.finish()

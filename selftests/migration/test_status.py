# SPDX-License-Identifier: GPL-2.0-only
"""MIG-02: what move_pages() says of each page, when asked and when moving."""

from collections.abc import Callable

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.testmod import TestModule
from selftests.migration.mixed import MixedList, by_kind, expected
from selftests.migration.moves import HUGE, OPEN, PAGES, moved, names
from selftests.migration.tasks import hold
from selftests.oracle import located, placed


@pytest.fixture
def nodes(open_node: OpenNode, second_open_node: OpenNode, ordinary_node: Node) -> dict[str, int]:
    """Node ids by letter, P and Q open for migration."""
    return {"P": open_node(OPEN).nid, "Q": second_open_node(OPEN).nid, "D": ordinary_node.nid}


@requirement("MIG-02")
@core
def test_query_answers_the_node(nodes: dict[str, int], mod: TestModule, anon: AnonFactory) -> None:
    memories = [moved(mod, placed(anon(PAGES), nodes["D"]), nid) for nid in nodes.values()]
    addrs = [memory.page_addr(index) for index in range(PAGES) for memory in memories]
    statuses = syscalls.move_pages(0, addrs, None)
    assert names(statuses) == [*nodes.values()] * PAGES, f"asked page by page of {nodes}"


@requirement("MIG-02")
def test_query_answers_for_each_page_of_a_huge_page(
    nodes: dict[str, int], mod: TestModule, anon: AnonFactory
) -> None:
    memory = placed(anon(HUGE, thp=True), nodes["D"])
    assert memory.smaps()["AnonHugePages"] == memory.nbytes, "no huge page to begin with"
    for letter in "DPQ":
        moved(mod, memory, nodes[letter])
        assert names(syscalls.move_pages(0, memory.addrs(), None)) == [nodes[letter]] * HUGE


@requirement("MIG-02")
@core
def test_query_of_another_task(nodes: dict[str, int], mod: TestModule, child: ChildFactory) -> None:
    holder = child.start(hold, PAGES, 3)
    memory = holder.step()
    addrs = [memory.addr + index * syscalls.PAGE_SIZE for index in range(PAGES)]
    for nid in nodes.values():
        syscalls.move_pages(holder.pid, addrs, [nid] * PAGES, MPOL_MF_MOVE)
        where = located(mod, memory, holder.pid)
        assert where.all_on(nid), f"{where}"
        assert names(syscalls.move_pages(holder.pid, addrs, None)) == [nid] * PAGES
    holder.finish()


@pytest.fixture
def mixed(
    mod: TestModule, child: ChildFactory, anon: AnonFactory, device_memory: AnonFactory, ordinary_node: Node
) -> Callable[[int], MixedList]:
    """`mixed(nid)`: a page of each kind, all on that node."""
    return lambda nid: MixedList(mod, child, anon, device_memory, ordinary_node.nid, nid)


@requirement("MIG-02")
@core
@pytest.mark.parametrize("letter", ["D", "P", "Q"])
def test_query_of_a_mixed_list(nodes: dict[str, int], mixed: Callable[[int], MixedList], letter: str) -> None:
    nid = nodes[letter]
    pages = mixed(nid)
    result, statuses = syscalls.move_pages_result(0, pages.addrs(), None)
    assert (result, by_kind(statuses)) == (0, expected(nid, shared=nid, busy=nid))


@requirement("MIG-02")
@core
@pytest.mark.parametrize("route", ["D>P", "P>D", "P>Q"])
def test_move_of_a_mixed_list(nodes: dict[str, int], mixed: Callable[[int], MixedList], route: str) -> None:
    source, target = (nodes[letter] for letter in route.split(">"))
    pages = mixed(source)
    result, statuses = syscalls.move_pages_result(0, pages.addrs(), [target] * len(pages), MPOL_MF_MOVE)
    assert (result, by_kind(statuses)) == (0, expected(target, shared="EACCES", busy="EBUSY")), route
    assert pages.where() == {"movable": target, "shared": source, "busy": source, "last": target}, route
    pages.verify()


@requirement("MIG-02")
@core
def test_move_all_takes_shared_pages_along(nodes: dict[str, int], mixed: Callable[[int], MixedList]) -> None:
    pages = mixed(nodes["D"])
    for letter in "PQD":
        target = nodes[letter]
        moved_one = syscalls.move_pages_result(0, pages.addrs("shared"), [target], MPOL_MF_MOVE_ALL)
        assert moved_one == (0, [target])
        assert pages.where()["shared"] == target
    pages.verify()


@requirement("MIG-02")
@core
def test_page_already_there_answers_its_node(
    nodes: dict[str, int], mod: TestModule, anon: AnonFactory
) -> None:
    there = moved(mod, placed(anon(2), nodes["D"]), nodes["P"])
    elsewhere: Mapping = placed(anon(2), nodes["D"])
    addrs = [there.page_addr(0), elsewhere.page_addr(0), there.page_addr(1), elsewhere.page_addr(1)]
    result, statuses = syscalls.move_pages_result(0, addrs, [nodes["P"]] * 4, MPOL_MF_MOVE)
    assert (result, names(statuses)) == (0, [nodes["P"]] * 4)
    assert located(mod, elsewhere).all_on(nodes["P"])

# SPDX-License-Identifier: GPL-2.0-only
"""MIG-04: migrate_pages(), which moves all that a task has on some nodes to others.

The tasks are unprivileged children, so that only what is theirs alone moves and not the memory that they
share with the test by the fork.
"""

from collections.abc import Iterator

import pytest

from fixtures.nodes import OpenNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.observed import landed
from helpers.testmod import OnlineType, TestModule
from selftests.migration.moves import HUGE, NOBODY, OPEN, PAGES, bring_home
from selftests.migration.tasks import wanderer
from selftests.oracle import Span, located, placed

KINDS = {
    "base": {"pages": PAGES},
    "shmem": {"pages": PAGES, "shared": True},
    "huge": {"pages": 2 * HUGE, "thp": True},
}
ROUTES = ("DP", "DPD", "DPQ", "DPQPD")
kinds = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == "huge" else core) for kind in KINDS]
)


@pytest.fixture
def nodes(open_node: OpenNode, second_open_node: OpenNode, ordinary_node: Node) -> dict[str, int]:
    """Node ids by letter, P and Q open for migration."""
    return {"P": open_node(OPEN).nid, "Q": second_open_node(OPEN).nid, "D": ordinary_node.nid}


@requirement("MIG-04")
@kinds
@pytest.mark.parametrize("route", ROUTES)
def test_a_tasks_memory_moves(
    nodes: dict[str, int], mod: TestModule, child: ChildFactory, route: str, kind: str
) -> None:
    places = [nodes[letter] for letter in route]
    worker = child.start(wanderer, places, KINDS[kind], uid=NOBODY, lean=True)
    memory = worker.step()
    assert located(mod, memory, worker.pid).all_on(places[0])
    for place in places[1:]:
        left = worker.step()
        where = landed(located(mod, memory, worker.pid), "migrate_pages", [place], by=route)
        assert where.all_on(place), f"{route}, to node {place}, {left} left behind: {where}"
        assert left == 0, (
            f"{route}: all of the memory is on node {place}, yet {left} pages are said to be not"
        )
    bring_home(worker, (nodes["P"], nodes["Q"]), nodes["D"])
    worker.finish()


@requirement("MIG-04")
@pytest.mark.parametrize("kind", KINDS)
def test_node_in_the_kernel_zone(
    open_node: OpenNode, ordinary_node: Node, mod: TestModule, child: ChildFactory, kind: str
) -> None:
    places = [ordinary_node.nid, open_node(OPEN, online=OnlineType.KERNEL).nid, ordinary_node.nid]
    worker = child.start(wanderer, places, KINDS[kind], uid=NOBODY, lean=True)
    memory = worker.step()
    for place in places[1:]:
        assert worker.step() == 0
        where = located(mod, memory, worker.pid)
        assert where.all_on(place), f"to node {place}: {where}"
    bring_home(worker, places[1:2], ordinary_node.nid)
    worker.finish()


@requirement("MIG-04")
@core
def test_several_nodes_at_a_time(nodes: dict[str, int], mod: TestModule, child: ChildFactory) -> None:
    """Relative positions are kept: the first of the old nodes goes to the first of the new ones."""
    first, second = sorted((nodes["D"], nodes["P"]))

    def body() -> Iterator[object]:
        with Mapping.anonymous(PAGES) as one, Mapping.anonymous(PAGES) as two:
            placed(one, nodes["D"])
            placed(two, nodes["D"])
            syscalls.move_pages(0, two.addrs(), [nodes["P"]] * PAGES, syscalls.MPOL_MF_MOVE)
            yield Span(one.addr, PAGES), Span(two.addr, PAGES)
            yield syscalls.migrate_pages(0, [first, second], sorted((nodes["P"], nodes["Q"])))
            one.verify()
            two.verify()

    worker = child.start(body, uid=NOBODY)
    spans = worker.step()
    assert worker.step() == 0
    goes = dict(zip((first, second), sorted((nodes["P"], nodes["Q"])), strict=True))
    for span, letter in zip(spans, "DP", strict=True):
        where = located(mod, span, worker.pid)
        assert where.all_on(goes[nodes[letter]]), f"from {letter}, {goes}: {where}"
    bring_home(worker, (nodes["P"], nodes["Q"]), nodes["D"])
    worker.finish()


@requirement("MIG-04")
@core
@pytest.mark.parametrize("route", ["DP", "PD", "PQ"])
def test_pages_that_stay_are_counted(
    nodes: dict[str, int], mod: TestModule, child: ChildFactory, route: str
) -> None:
    source, target = (nodes[letter] for letter in route)

    def body() -> Iterator[object]:
        with Mapping.anonymous(PAGES) as memory:
            placed(memory, nodes["D"])
            if source != nodes["D"]:
                syscalls.move_pages(0, memory.addrs(), [source] * PAGES, syscalls.MPOL_MF_MOVE)
            pin = mod.pin(memory.addr, 3)
            yield Span(memory.addr, PAGES)
            yield syscalls.migrate_pages(0, [source], [target])
            mod.unpin(pin)
            yield syscalls.migrate_pages(0, [source], [target])
            memory.verify()

    worker = child.start(body, uid=NOBODY)
    memory = worker.step()
    left = worker.step()
    assert located(mod, memory, worker.pid).nodes == [source] * 3 + [target] * (PAGES - 3)
    assert left == 3, "the pinned ones"
    assert worker.step() == 0
    assert located(mod, memory, worker.pid).all_on(target), "the control: once nothing pins them"
    bring_home(worker, (nodes["P"], nodes["Q"]), nodes["D"])
    worker.finish()


@requirement("MIG-04")
@core
def test_pages_elsewhere_stay(
    nodes: dict[str, int], second_ordinary_node: Node, mod: TestModule, child: ChildFactory
) -> None:
    def body() -> Iterator[object]:
        with Mapping.anonymous(PAGES) as memory:
            placed(memory, second_ordinary_node.nid)
            yield Span(memory.addr, PAGES)
            yield syscalls.migrate_pages(0, [nodes["D"]], [nodes["P"]])
            yield syscalls.migrate_pages(0, [nodes["P"]], [nodes["Q"]])
            memory.verify()

    worker = child.start(body, uid=NOBODY)
    memory = worker.step()
    frames = located(mod, memory, worker.pid).frames
    for _step in range(2):
        worker.step()
        assert located(mod, memory, worker.pid).frames == frames, "it was on neither node"
    bring_home(worker, (nodes["P"], nodes["Q"]), nodes["D"])
    worker.finish()

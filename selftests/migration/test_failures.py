# SPDX-License-Identifier: GPL-2.0-only
"""MIG-06: an owner whose migrate_to fails, or moves a part of what it gets."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, MPOL_MF_STRICT, Mode
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.outcome import OK, errno_name, outcome
from helpers.testmod import Callback, Ops, TestModule
from helpers.testmod import Mode as Does
from selftests.migration.moves import NOBODY, OPEN, PAGES, bring_home, move, moved
from selftests.oracle import Span, located, placed

HALF = PAGES // 2
ERRNOS = {5: "EIO", 12: "ENOMEM", 16: "EBUSY"}
POLICY = OPEN | Ops.MEMPOLICY
Result = int | str
#: P, Q and D; D has no owner, so only P and Q are asked about theirs.
Nodes = dict[str, Any]


def result_of(call: Callable[[], int]) -> Result:
    """What the call returns, or the name of its errno."""
    try:
        return call()
    except OSError as error:
        return errno_name(error.errno or 0)


@pytest.fixture
def nodes(open_node: OpenNode, second_open_node: OpenNode, ordinary_node: Node) -> Nodes:
    """P and Q open for migration, and D."""
    return {"P": open_node(POLICY), "Q": second_open_node(POLICY), "D": ordinary_node}


def start_at(mod: TestModule, memory: Mapping, nodes: Nodes, letter: str) -> Mapping:
    placed(memory, nodes["D"].nid)
    return memory if letter == "D" else moved(mod, memory, nodes[letter].nid)


@requirement("MIG-06")
@core
@pytest.mark.parametrize("route", ["DP", "PQ"])
@pytest.mark.parametrize("number", ERRNOS, ids=ERRNOS.values())
def test_move_pages_fails_as_the_owner_does(
    nodes: Nodes, mod: TestModule, anon: AnonFactory, route: str, number: int
) -> None:
    source, target = (nodes[letter] for letter in route)
    memory = start_at(mod, anon(PAGES), nodes, route[0])
    target.program(Callback.MIGRATE_TO, Does.ERRNO, value=number, times=1)
    assert result_of(lambda: move(memory, target.nid)[0]) == ERRNOS[number]
    assert located(mod, memory).all_on(source.nid)
    memory.verify()
    assert move(memory, target.nid) == (0, [target.nid] * PAGES), "the control: the next time it works"
    memory.verify()


@requirement("MIG-06")
@core
@pytest.mark.parametrize("route", ["DP", "PQ"])
@pytest.mark.parametrize("some", [0, 1, HALF, PAGES - 1])
def test_move_pages_counts_what_stayed(
    nodes: Nodes, mod: TestModule, anon: AnonFactory, route: str, some: int
) -> None:
    source, target = (nodes[letter] for letter in route)
    memory = start_at(mod, anon(PAGES), nodes, route[0])
    target.program(Callback.MIGRATE_TO, Does.PARTIAL, value=some, times=1)
    assert move(memory, target.nid)[0] == PAGES - some
    where = located(mod, memory)
    assert (where.counts[target.nid], where.counts[source.nid]) == (some, PAGES - some), f"{where}"
    memory.verify()
    assert move(memory, target.nid)[0] == 0
    assert located(mod, memory).all_on(target.nid)


@requirement("MIG-06")
@core
def test_a_list_goes_on_to_no_other_node_after_a_failure(
    nodes: Nodes, mod: TestModule, anon: AnonFactory
) -> None:
    """move_pages() asks node by node: what comes after a failure is counted as not moved."""
    memory = start_at(mod, anon(PAGES), nodes, "D")
    nodes["P"].program(Callback.MIGRATE_TO, Does.PARTIAL, value=HALF // 2, times=1)
    targets = [nodes["P"].nid] * HALF + [nodes["Q"].nid] * HALF
    left = syscalls.move_pages_result(0, memory.addrs(), targets, MPOL_MF_MOVE)[0]
    where = located(mod, memory)
    assert left == where.counts[nodes["D"].nid], f"{left} said to have stayed on D: {where}"
    assert where.counts[nodes["P"].nid] == HALF // 2
    memory.verify()


@requirement("MIG-06")
@core
@pytest.mark.parametrize("answer", [(Does.ERRNO, 12), (Does.PARTIAL, HALF)], ids=["errno", "partial"])
def test_migrate_pages_tells_what_the_owner_says(
    nodes: Nodes, mod: TestModule, child: ChildFactory, answer: tuple[Does, int]
) -> None:
    def user() -> Iterator[object]:
        with Mapping.anonymous(PAGES) as memory:
            placed(memory, nodes["D"].nid)
            yield Span(memory.addr, PAGES)
            yield result_of(lambda: syscalls.migrate_pages(0, [nodes["D"].nid], [nodes["P"].nid]))
            yield result_of(lambda: syscalls.migrate_pages(0, [nodes["D"].nid], [nodes["P"].nid]))
            memory.verify()

    worker = child.start(user, uid=NOBODY)
    memory = worker.step()
    nodes["P"].program(Callback.MIGRATE_TO, answer[0], value=answer[1], times=1)
    seen = worker.step()
    (asked,) = nodes["P"].events(Callback.MIGRATE_TO)
    assert seen == ("ENOMEM" if answer[0] is Does.ERRNO else asked.count - answer[1])
    assert not located(mod, memory, worker.pid).absent
    assert worker.step() == 0, "the control: the next time it works"
    assert located(mod, memory, worker.pid).all_on(nodes["P"].nid)
    bring_home(worker, [nodes["P"].nid], nodes["D"].nid)
    worker.finish()


@requirement("MIG-06")
@core
@pytest.mark.parametrize("route", ["DP", "PQ"])
@pytest.mark.parametrize("answer", [(Does.ERRNO, 12), (Does.PARTIAL, HALF)], ids=["errno", "partial"])
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lax"])
def test_mbind_moves_what_the_owner_takes(
    nodes: Nodes,
    mod: TestModule,
    anon: AnonFactory,
    route: str,
    answer: tuple[Does, int],
    strict: bool,
) -> None:
    source, target = (nodes[letter] for letter in route)
    memory = start_at(mod, anon(PAGES), nodes, route[0])
    target.program(Callback.MIGRATE_TO, answer[0], value=answer[1], times=1)
    flags = MPOL_MF_MOVE | (MPOL_MF_STRICT if strict else 0)
    seen = outcome(memory.bind, Mode.BIND, [target.nid], flags)
    took = answer[1] if answer[0] is Does.PARTIAL else 0
    where = located(mod, memory)
    assert (where.counts[target.nid], where.counts[source.nid]) == (took, PAGES - took), f"{where}"
    assert seen == ("EIO" if strict else OK)
    memory.verify()
    memory.bind(Mode.BIND, [target.nid], MPOL_MF_MOVE)
    assert located(mod, memory).all_on(target.nid)
    memory.verify()


@requirement("MIG-06")
@pytest.mark.parametrize(
    "kind", [{"thp": True, "pages": 512}, {"shared": True, "pages": PAGES}], ids=["huge", "shmem"]
)
@pytest.mark.parametrize("answer", [(Does.ERRNO, 5), (Does.PARTIAL, 0)], ids=["errno", "partial"])
def test_other_kinds_of_memory(
    nodes: Nodes,
    mod: TestModule,
    anon: AnonFactory,
    kind: dict[str, int],
    answer: tuple[Does, int],
) -> None:
    memory = start_at(mod, anon(**kind), nodes, "D")
    frames = located(mod, memory).frames
    nodes["P"].program(Callback.MIGRATE_TO, answer[0], value=answer[1], times=1)
    seen = result_of(lambda: move(memory, nodes["P"].nid)[0])
    assert seen in ("EIO", 1, PAGES), f"{seen}"
    assert located(mod, memory).frames == frames
    memory.verify()
    assert move(memory, nodes["P"].nid)[0] == 0
    assert located(mod, memory).all_on(nodes["P"].nid)
    memory.verify()


@requirement("MIG-06")
@core
def test_a_hundred_failures_lose_nothing(nodes: Nodes, mod: TestModule, anon: AnonFactory) -> None:
    memory = start_at(mod, anon(PAGES), nodes, "D")
    for turn in range(100):
        mode, value = ((Does.ERRNO, 12), (Does.PARTIAL, turn % PAGES))[turn % 2]
        nodes["P"].program(Callback.MIGRATE_TO, mode, value=value, times=1)
        result_of(lambda: move(memory, nodes["P"].nid)[0])
        if turn % 10 == 9:
            memory.verify()
            move(memory, nodes["D"].nid)
    memory.verify()
    assert not located(mod, memory).absent
    assert move(memory, nodes["D"].nid)[0] == 0
    assert located(mod, memory).all_on(nodes["D"].nid)

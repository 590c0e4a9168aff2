# SPDX-License-Identifier: GPL-2.0-only
"""MPL-17: P loses NP_OPS_MEMPOLICY while policies name it and pages are on it."""

from collections.abc import Callable, Iterator

import pytest

from fixtures.invariants import oom_expected
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode, unchanged_free_pages
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, Mode
from helpers.memory import Mapping
from helpers.nodes import Node, node_list
from helpers.outcome import OK, outcome
from helpers.residency import Residency, residency
from helpers.testmod import Ops, TestModule
from selftests.mempolicy.crowd import BOUND, ENDS
from selftests.mempolicy.letters import with_e
from selftests.mempolicy.placing import HUGE, OPEN, PAGES
from selftests.oracle import located

Lose = Callable[[], object]
MODES = (Mode.BIND, Mode.PREFERRED, Mode.PREFERRED_MANY, Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE)


@pytest.fixture(params=["cleared", "migration-left"])
def lose(request: pytest.FixtureRequest, open_node: OpenNode, p: PrivateNode) -> Lose:
    """`lose()`: takes the flag from P, by clear_ops() or by ops without it."""
    return p.clear_ops if request.param == "cleared" else lambda: open_node(Ops.MIGRATION)


@requirement("MPL-17")
@core
@pytest.mark.parametrize("thp", [False, pytest.param(True, marks=pytest.mark.topology("fast"))])
def test_pages_that_are_there_stay(
    p: PrivateNode, lose: Lose, mod: TestModule, anon: AnonFactory, thp: bool
) -> None:
    memory = anon(HUGE if thp else PAGES, thp=thp)
    memory.bind(Mode.BIND, [p.nid])
    memory.touch(1)
    before = located(mod, memory)
    assert before.all_on(p.nid), f"to begin with: {before}"
    lose()
    memory.verify(1)
    memory.touch(2)
    memory.verify(2)
    assert located(mod, memory).frames == before.frames, f"pages moved: {located(mod, memory)}"


def later(by: str, mode: int, nids: list[int]) -> Iterator[Residency]:
    """Memory under a policy, of which one half is touched now and the other when told to go on."""
    with Mapping.anonymous(2 * PAGES) as memory:
        if by == "mbind":
            memory.bind(mode, nids)
        else:
            syscalls.set_mempolicy(mode, nids)
        memory.touch(count=PAGES)
        yield residency(memory)
        memory.touch(first=PAGES, count=PAGES)
        yield residency(memory)
        memory.verify()


@requirement("MPL-17")
@core
@oom_expected
@pytest.mark.parametrize("by", ["mbind", "set_mempolicy"])
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.lower().replace("_", "-"))
def test_new_faults_stop(
    p: PrivateNode, lose: Lose, ordinary_nodes: list[Node], child: ChildFactory, by: str, mode: Mode
) -> None:
    """They are served elsewhere, or the task ends: soon, and with nothing more taken from P."""
    worker = child.start(later, by, mode, [p.nid])
    assert worker.step().nodes[:PAGES] == [p.nid] * PAGES
    lose()
    try:
        where = worker.step(BOUND)
    except ChildDied as death:
        if death.signal not in ENDS:
            raise
        return
    assert where.nodes[:PAGES] == [p.nid] * PAGES, f"old pages: {where}"
    assert set(where.nodes[PAGES:]) <= {node.nid for node in ordinary_nodes}, (
        f"new pages, {mode.name}: {where}"
    )
    worker.finish()


@requirement("MPL-17")
@core
@with_e
def test_other_nodes_of_the_policy_are_left(
    nodes: dict[str, int], p: PrivateNode, lose: Lose, mod: TestModule, anon: AnonFactory
) -> None:
    memory = anon(2 * PAGES)
    memory.bind(Mode.BIND, [nodes["P"], nodes["E"]])
    syscalls.set_mempolicy_home_node(memory.addr, memory.nbytes, nodes["P"])
    memory.touch(count=PAGES)
    lose()
    with unchanged_free_pages(p):
        memory.touch(first=PAGES, count=PAGES)
    where = located(mod, memory)
    assert where.nodes == [nodes["P"]] * PAGES + [nodes["E"]] * PAGES, f"BIND {{P,E}}, home P: {where.nodes}"
    memory.verify()


@requirement("MPL-17")
@core
@with_e
def test_rebinding(
    nodes: dict[str, int], p: PrivateNode, open_node: OpenNode, lose: Lose, mod: TestModule, anon: AnonFactory
) -> None:
    memory = anon(3 * PAGES)
    memory.bind(Mode.BIND, [nodes["P"]])
    memory.touch(count=PAGES)
    lose()
    assert nodes["P"] not in node_list("has_memory")
    assert outcome(memory.bind, Mode.BIND, [nodes["P"]]) == "EINVAL", "closed"
    assert outcome(memory.bind, Mode.BIND, [nodes["E"]]) == OK
    memory.touch(first=PAGES, count=PAGES)
    open_node(OPEN)
    assert outcome(memory.bind, Mode.BIND, [nodes["P"]]) == OK, "open again"
    memory.touch(first=2 * PAGES, count=PAGES)
    where = located(mod, memory)
    assert where.nodes == [nodes[letter] for letter in "PEP" for _page in range(PAGES)], f"{where.nodes}"
    memory.verify()


@requirement("MPL-17")
@core
@with_e
def test_moving_off_needs_migration(
    nodes: dict[str, int], p: PrivateNode, open_node: OpenNode, mod: TestModule, anon: AnonFactory
) -> None:
    """mbind() to E with MPOL_MF_MOVE: pages leave exactly when P still takes part in migration."""
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [nodes["P"]])
    memory.touch()
    p.clear_ops()
    assert outcome(memory.bind, Mode.BIND, [nodes["E"]], MPOL_MF_MOVE) in (OK, "EIO")
    assert located(mod, memory).all_on(nodes["P"]), f"closed: {located(mod, memory)}"
    open_node(Ops.MIGRATION)
    assert outcome(memory.bind, Mode.BIND, [nodes["E"]], MPOL_MF_MOVE) == OK
    assert located(mod, memory).all_on(nodes["E"]), f"open for migration: {located(mod, memory)}"
    memory.verify()

# SPDX-License-Identifier: GPL-2.0-only
"""MPL-18: errors of mbind() and set_mempolicy() with P in the mask, beside those with an ordinary node."""

from collections.abc import Callable

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateRange
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_F_ADDR, MPOL_MF_MOVE, MPOL_MF_MOVE_ALL, Mode
from helpers.nodemask import NodeMask
from helpers.nodes import Node, node_list
from helpers.outcome import OK, outcome
from helpers.testmod import TestModule
from selftests import errnos
from selftests.errnos import POLICY_ROWS, RANGE_ROWS, Row
from selftests.mempolicy.letters import with_e
from selftests.mempolicy.placing import OPEN, PAGES
from selftests.oracle import located, placed

NOBODY = 65534


@requirement("MPL-18")
@core
@pytest.mark.parametrize("row", [*POLICY_ROWS, *RANGE_ROWS], ids=str)
@with_e
def test_mbind(nodes: dict[str, int], row: Row) -> None:
    found = {letter: errnos.mbind(row, nodes[letter], nodes["D"]) for letter in "PE"}
    assert found == dict.fromkeys("PE", row.result), f"P is the private node, E an ordinary one: {row!r}"


@requirement("MPL-18")
@core
@with_e
def test_set_mempolicy(nodes: dict[str, int], child: ChildFactory) -> None:
    def results(nid: int) -> dict[str, str]:
        return {row.name: errnos.set_mempolicy(row, nid) for row in POLICY_ROWS}

    expected = {row.name: row.result for row in POLICY_ROWS}
    for letter in "PE":
        assert child(results, nodes[letter]) == expected, f"node {nodes[letter]} ({letter})"


@requirement("MPL-18")
@core
@with_e
def test_refused_call_changes_nothing(nodes: dict[str, int], mod: TestModule, anon: AnonFactory) -> None:
    """Neither the policy nor where pages are, MPOL_MF_MOVE or not."""
    memory = placed(anon(PAGES), nodes["E"])
    memory.bind(Mode.PREFERRED, [nodes["E"]])
    frames = located(mod, memory).frames
    for row in (row for row in POLICY_ROWS if row.result != OK):
        for flags in (0, MPOL_MF_MOVE):
            found = outcome(memory.bind, row.mode, row.mask(nodes["P"]), flags, maxnode=row.bits(nodes["P"]))
            assert found == row.result, f"{row}"
            policy = syscalls.get_mempolicy(memory.addr, MPOL_F_ADDR)
            assert policy == (Mode.PREFERRED, NodeMask.of(nodes["E"])), f"{row}: {policy}"
    assert located(mod, memory).frames == frames
    memory.verify()


@requirement("MPL-18")
@core
@pytest.mark.parametrize(
    ("flag", "result"), [(MPOL_MF_MOVE_ALL, "EPERM"), (MPOL_MF_MOVE, OK)], ids=["all", "own"]
)
@with_e
def test_moving_what_others_map_needs_privilege(
    nodes: dict[str, int], child: ChildFactory, anon: AnonFactory, flag: int, result: str
) -> None:
    memory = anon(PAGES)
    for letter in "PE":
        found = child(outcome, memory.bind, Mode.BIND, [nodes[letter]], flag, uid=NOBODY)
        assert found == result, f"node {nodes[letter]}, uid {NOBODY}"
        assert outcome(memory.bind, Mode.BIND, [nodes[letter]], flag) == OK, "the control: root may"


@requirement("MPL-18")
@pytest.mark.parametrize("call", ["mbind", "set_mempolicy"])
def test_node_that_was_unplugged(
    unplugged: PrivateRange, ordinary_nodes: list[Node], anon: AnonFactory, child: ChildFactory, call: str
) -> None:
    """Alone EINVAL, beside another node as if it had not been named; as for a node that never was there."""
    memory, ordinary = anon(1), ordinary_nodes[0].nid
    bind: Callable[..., None] = memory.bind if call == "mbind" else syscalls.set_mempolicy
    node = unplugged.plug(ops=OPEN)
    masks = ([node.nid], [node.nid, ordinary])
    assert [child(outcome, bind, Mode.BIND, mask) for mask in masks] == [OK, OK]
    node.unplug()
    assert node.nid not in node_list("has_memory")
    assert [child(outcome, bind, Mode.BIND, mask) for mask in masks] == ["EINVAL", OK]

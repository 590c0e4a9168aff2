# SPDX-License-Identifier: GPL-2.0-only
"""MPL-18, MPL-06: any mode, mask and maxnode, with P open and Q open, closed, or open for migration only."""

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.property import Holds
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_F_ADDR, Mode
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import Ops
from selftests.mempolicy.placing import OPEN
from selftests.walks.masks import Model, Shape, Verdict, shapes

EXAMPLES = 150
#: For all examples, within the deadline of a test; they take ten on an idle machine.
SECONDS = 90
KINDS = {"open": OPEN, "migration": Ops.MIGRATION, "closed": Ops(0)}


@pytest.fixture(params=KINDS)
def model(
    request: pytest.FixtureRequest, open_node: OpenNode, second_open_node: OpenNode,
    ordinary_nodes: list[Node],
) -> Model:  # fmt: skip
    """The model of the machine with P open and Q as the parameter says."""
    p = open_node(OPEN)
    q: PrivateNode = second_open_node(KINDS[request.param])
    usable = {p.nid, *(node.nid for node in ordinary_nodes), *([q.nid] if request.param == "open" else [])}
    return Model(frozenset(usable), frozenset({q.nid} - usable))


def of_range(shape: Shape, expected: Verdict, home: int) -> None:
    mode, ids, maxnode = shape
    with Mapping.anonymous(4) as memory:
        memory.bind(Mode.PREFERRED, [home])
        before = syscalls.get_mempolicy(memory.addr, MPOL_F_ADDR)
        found = outcome(memory.bind, mode, ids, maxnode=maxnode)
        expected = expected.given(found)
        assert found == expected.result, f"mbind: {found}, the documents say {expected}"
        shown = syscalls.get_mempolicy(memory.addr, MPOL_F_ADDR)
        right = expected.shows(shown) if found == OK else shown == before
        assert right, f"get_mempolicy: {shown}, before {before}, the documents say {expected}"
        memory.touch()
        where = residency(memory)
        assert where.absent == 0, f"{where}"
        assert expected.on is None or set(where.counts) <= expected.on, f"{where}, documents say {expected}"


def of_task(shape: Shape, expected: Verdict) -> None:
    mode, ids, maxnode = shape
    try:
        found = outcome(syscalls.set_mempolicy, mode, ids, maxnode=maxnode)
        shown = syscalls.get_mempolicy()
    finally:
        syscalls.set_mempolicy(Mode.DEFAULT)
    expected = expected.given(found)
    assert found == expected.result, f"set_mempolicy: {found}, the documents say {expected}"
    assert expected.shows(shown), f"get_mempolicy: {shown}, the documents say {expected}"


@requirement("MPL-18", "MPL-06")
@core
def test_any_shape_of_mask(model: Model, ordinary_node: Node, child: ChildFactory, holds: Holds) -> None:
    def check(shape: Shape) -> None:
        expected = model.verdict(shape)
        of_range(shape, expected, ordinary_node.nid)
        of_task(shape, expected)

    child(holds, lambda st: shapes(st, model.usable | model.closed), check, EXAMPLES, timeout=SECONDS)

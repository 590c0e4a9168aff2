# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the chapter: nodes by letter, and pages faulted in under either kind of policy."""

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from helpers.nodes import Node
from helpers.residency import Residency
from helpers.testmod import TestModule
from selftests.mempolicy.placing import OPEN, PAGES, Faulted, fault, fault_of_task


@pytest.fixture
def p(open_node: OpenNode) -> PrivateNode:
    """P, open for policies."""
    return open_node(OPEN)


@pytest.fixture
def q(second_open_node: OpenNode) -> PrivateNode:
    """Q, open for policies."""
    return second_open_node(OPEN)


@pytest.fixture
def nodes(p: PrivateNode, q: PrivateNode, ordinary_node: Node, second_ordinary_node: Node) -> dict[str, int]:
    """Node ids by letter: P and Q open for policies, D and E (the second ordinary one)."""
    return {"P": p.nid, "Q": q.nid, "D": ordinary_node.nid, "E": second_ordinary_node.nid}


@pytest.fixture(params=["mbind", "set_mempolicy"])
def faulted(request: pytest.FixtureRequest, mod: TestModule, child: ChildFactory) -> Faulted:
    """`faulted(mode, nodes, pages=PAGES, *, thp=False)`: where fresh pages under that policy are. Each test
    runs for both kinds of policy."""

    def by_range(mode: int, nodes: list[int], pages: int = PAGES, *, thp: bool = False) -> Residency:
        return fault(mod, "mbind", mode, nodes, pages, thp=thp)

    def by_task(mode: int, nodes: list[int], pages: int = PAGES, *, thp: bool = False) -> Residency:
        found: Residency = child(fault_of_task, mode, nodes, pages, thp, lean=True)
        return found

    return by_range if request.param == "mbind" else by_task

# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the chapter: nodes by letter, and pages faulted in under either kind of policy."""

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from helpers.nodes import Node
from helpers.residency import Residency
from helpers.testmod import TestModule
from selftests.cpuset.home import all_come_home as all_come_home
from selftests.mempolicy.letters import OTHERS, named
from selftests.mempolicy.placing import OPEN, PAGES, Faulted, fault, fault_of_task


@pytest.fixture
def p(open_node: OpenNode) -> PrivateNode:
    """P, open for policies."""
    return open_node(OPEN)


@pytest.fixture
def q(second_open_node: OpenNode) -> PrivateNode:
    """Q, open for policies."""
    return second_open_node(OPEN)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a test that takes `nodes` have fixtures for the letters that its parameters name, as if it had
    asked for them itself: what nobody asks for is unplugged."""
    if isinstance(item, pytest.Function) and "nodes" in item.fixturenames:
        wanted = [name for letter in OTHERS.keys() & named(item) for name in OTHERS[letter]]
        item.fixturenames = [*item.fixturenames, *(name for name in wanted if name not in item.fixturenames)]


@pytest.fixture
def nodes(request: pytest.FixtureRequest, p: PrivateNode, ordinary_node: Node) -> dict[str, int]:
    """Node ids by letter: P and D always; Q and E (the second ordinary one) where a parameter names it
    ("DPQ") or the test has its fixture (`with_q`, `with_e`), so that a machine with one private or one
    ordinary node skips only tests that need the other."""
    found = {"P": p.nid, "D": ordinary_node.nid}
    for letter, (name, *_) in OTHERS.items():
        if name in request.fixturenames:
            found[letter] = request.getfixturevalue(name).nid
    return found


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

# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the chapter: pages on P while it is open for user space, or closed again since, and the like of
them on an ordinary node."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.requirement import requirement
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import TestModule
from selftests.filters.kinds import KINDS, OPEN, OnNode, bound
from selftests.migration.moves import moved


@pytest.fixture
def p(open_node: OpenNode) -> PrivateNode:
    """P, open for policies and migration."""
    return open_node(OPEN)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs for base pages, huge pages and shared memory, unless it chooses."""
    return str(request.param)


@pytest.fixture(params=["open", pytest.param("closed", marks=requirement("NOP-05"))])
def then(request: pytest.FixtureRequest) -> str:
    """What becomes of P once the pages are there."""
    return str(request.param)


@pytest.fixture
def memory_on(anon: AnonFactory, mod: TestModule, kind: str, ordinary_node: Node) -> OnNode:
    """`memory_on(nid)`: memory of the test's kind, all of it on that node, without a policy of its own."""

    def make(nid: int) -> Mapping:
        memory = anon(**KINDS[kind])
        if kind == "shmem":
            bound(memory, ordinary_node.nid)
            return memory if nid == ordinary_node.nid else moved(mod, memory, nid)
        bound(memory, nid)
        assert residency(memory).all_on(nid), f"{residency(memory)}"
        assert kind != "huge" or memory.smaps()["AnonHugePages"] == memory.nbytes, (
            "no huge page to begin with"
        )
        return memory

    return make


@pytest.fixture
def held(p: PrivateNode, memory_on: OnNode, then: str) -> Mapping:
    """Pages on P, which is open, or closed by now."""
    memory = memory_on(p.nid)
    if then == "closed":
        p.clear_ops()
    return memory

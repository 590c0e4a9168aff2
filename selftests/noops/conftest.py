# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of chapter NOP: memory on P while it is closed, and the like of it on an ordinary node."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Ops, TestModule
from selftests.noops.pages import PAGES, OnNode


@pytest.fixture
def device_on(testmod: TestModule) -> Iterator[OnNode]:
    """`device_on(nid, pages=PAGES)`: memory of a device of its own on that node, touched."""
    with ExitStack() as stack:

        def make(nid: int, pages: int = PAGES) -> Mapping:
            device = stack.enter_context(TestModule.open())
            device.device(nid, pages * PAGE_SIZE)
            memory = stack.enter_context(Mapping.of_fd(device.fileno(), pages, shared=True))
            memory.touch()
            assert residency(memory).all_on(nid), f"{residency(memory)}"
            return memory

        yield make


@pytest.fixture
def anon_on(anon: AnonFactory) -> OnNode:
    """`anon_on(nid, pages=PAGES)`: anonymous memory on that node, touched; without a policy afterwards."""

    def make(nid: int, pages: int = PAGES) -> Mapping:
        memory = anon(pages)
        memory.bind(Mode.BIND, [nid])
        memory.touch()
        memory.bind(Mode.DEFAULT, ())
        assert residency(memory).all_on(nid), f"{residency(memory)}"
        return memory

    return make


@pytest.fixture
def device_pages(provisioned_closed_node: PrivateNode, device_on: OnNode) -> Mapping:
    """Pages on the closed P by the device path."""
    return device_on(provisioned_closed_node.nid)


@pytest.fixture
def left_pages(open_node: OpenNode, anon_on: OnNode) -> Mapping:
    """Anonymous pages on the closed P: it was open when they were touched."""
    node = open_node(Ops.MIGRATION | Ops.MEMPOLICY)
    memory = anon_on(node.nid)
    node.clear_ops()
    return memory


@pytest.fixture(params=["device", "left"])
def held(request: pytest.FixtureRequest) -> Mapping:
    """Pages on the closed P, of the device or left behind by a time when it was open."""
    memory: Mapping = request.getfixturevalue(f"{request.param}_pages")
    return memory


@pytest.fixture
def twin(request: pytest.FixtureRequest, held: Mapping) -> Callable[[int], Mapping]:
    """`twin(nid)`: memory of the same kind as `held` on that node."""
    kind = request.node.callspec.params["held"]
    make: OnNode = request.getfixturevalue(f"{'device' if kind == 'device' else 'anon'}_on")
    return make


@pytest.fixture
def far_ordinary(ordinary_nodes: list[Node]) -> Node:
    """The ordinary node farthest from the test's CPU."""
    return ordinary_nodes[-1]

# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the chapter: a node as compressed RAM."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from fixtures.nodes import PrivateNode
from fixtures.tiers import LowerNode
from helpers.testmod import Feature, TestModule
from selftests.cram.arrival import MakeCram


@pytest.fixture(autouse=True)
def _has_cram(testmod: TestModule) -> None:
    if Feature.CRAM not in testmod.handshake.features:
        pytest.skip("needs a kernel with CONFIG_CRAM")


@pytest.fixture
def cram(lower_node: LowerNode) -> Iterator[MakeCram]:
    """`cram(*, flush=True)`: P in a lower tier, registered as compressed RAM, with a flush callback or
    without; unregistered with the test."""
    yield from _registering(lower_node)


@pytest.fixture
def second_cram(second_lower_node: LowerNode) -> Iterator[MakeCram]:
    """As `cram`, for Q."""
    yield from _registering(second_lower_node)


def _registering(plug: LowerNode) -> Iterator[MakeCram]:
    made: list[PrivateNode] = []

    def make(*, flush: bool = True) -> PrivateNode:
        node = plug()
        made.append(node)
        node.mod.cram_register(node.nid, flush=flush)
        return node

    yield make
    for node in made:
        with suppress(OSError):  # EINVAL: the test has done it
            node.mod.cram_unregister(node.nid)

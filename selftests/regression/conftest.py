# SPDX-License-Identifier: GPL-2.0-only
"""The chapter's world: P open for policies and Q closed are there, and left out of all calls."""

from collections.abc import Iterator

import pytest

from fixtures.nodes import OpenNode, PrivateNode, unchanged_free_pages
from helpers.nodes import Node
from selftests.mempolicy.placing import OPEN


@pytest.fixture
def p(open_node: OpenNode) -> PrivateNode:
    """P, open for policies."""
    return open_node(OPEN)


@pytest.fixture
def q(second_closed_node: PrivateNode) -> PrivateNode:
    """Q, closed."""
    return second_closed_node


@pytest.fixture
def ordinary(
    p: PrivateNode, q: PrivateNode, ordinary_node: Node, second_ordinary_node: Node
) -> Iterator[dict[str, int]]:
    """Ids of D and E, the ordinary nodes, while P and Q are there; neither gives a page in the test."""
    with unchanged_free_pages(p, q):
        yield {"D": ordinary_node.nid, "E": second_ordinary_node.nid}

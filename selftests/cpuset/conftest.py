# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the chapter: nodes by letter, P and Q open for policies."""

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from helpers.nodes import Node
from selftests.mempolicy.placing import OPEN


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


def ids(nodes: dict[str, int], letters: str) -> list[int]:
    return [nodes[letter] for letter in letters]

# SPDX-License-Identifier: GPL-2.0-only
"""ZNL-01 and ZNL-02: who is in whose zone lists while private nodes are there, closed and open."""

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from fixtures.requirement import requirement
from helpers.nodes import Node
from helpers.testmod import NodeStates, OnlineType, Ops, TestModule, ZoneList
from selftests.zonelists.lists import nodes_in, out_of_order, shown, with_state

OPEN = Ops.MIGRATION | Ops.MEMPOLICY


@pytest.fixture(params=["closed", "open"])
def private_pair(
    request: pytest.FixtureRequest, open_node: OpenNode, second_closed_node: PrivateNode
) -> tuple[PrivateNode, PrivateNode]:
    """P, closed or open for policies, and Q, closed."""
    if request.param == "closed":
        return request.getfixturevalue("closed_node"), second_closed_node
    return open_node(OPEN), second_closed_node


@requirement("ZNL-01")
@pytest.mark.parametrize("which", list(ZoneList), ids=lambda which: which.name.lower())
def test_ordinary_nodes_list_no_private_zone(
    testmod: TestModule, private_pair: tuple[PrivateNode, PrivateNode], which: ZoneList
) -> None:
    private = {node.nid for node in private_pair}
    for nid in with_state(testmod, NodeStates.MEMORY):
        listed = nodes_in(testmod, nid, which)
        assert nid in listed, f"{which.name}({nid}) lacks the node itself\n{shown(testmod)}"
        assert not private & set(listed), f"{which.name}({nid}) = {listed}\n{shown(testmod)}"


@requirement("ZNL-02")
def test_nofallback_is_the_node_alone(
    testmod: TestModule, private_pair: tuple[PrivateNode, PrivateNode]
) -> None:
    for node in private_pair:
        assert nodes_in(testmod, node.nid, ZoneList.NOFALLBACK) == [node.nid], shown(testmod)


@requirement("ZNL-02")
def test_fallback_is_the_node_then_ordinary_ones_by_distance(
    testmod: TestModule, private_pair: tuple[PrivateNode, PrivateNode]
) -> None:
    ordinary = with_state(testmod, NodeStates.MEMORY)
    for node in private_pair:
        listed = nodes_in(testmod, node.nid, ZoneList.FALLBACK)
        assert listed[0] == node.nid, shown(testmod)
        assert sorted(listed[1:]) == sorted(ordinary), shown(testmod)
        assert out_of_order(listed, node.node.distances()) is None, shown(testmod)


@requirement("ZNL-02")
def test_kernel_zone_node_has_the_same_lists(
    testmod: TestModule, closed_kernel_node: PrivateNode, ordinary_nodes: list[Node]
) -> None:
    assert closed_kernel_node.online is OnlineType.KERNEL
    nid, ordinary = closed_kernel_node.nid, {node.nid for node in ordinary_nodes}
    assert nodes_in(testmod, nid, ZoneList.NOFALLBACK) == [nid], shown(testmod)
    assert set(nodes_in(testmod, nid, ZoneList.FALLBACK)) == {nid, *ordinary}, shown(testmod)
    assert set(nodes_in(testmod, ordinary_nodes[0].nid, ZoneList.FALLBACK)) == ordinary, shown(testmod)

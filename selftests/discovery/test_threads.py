# SPDX-License-Identifier: GPL-2.0-only
"""DSC-11: no kswapd and no kcompactd for private memory."""

import pytest

from fixtures.nodes import OpenNode, PrivateNode, PrivateRange
from fixtures.requirement import requirement
from helpers.nodes import Node, kernel_thread_names
from helpers.testmod import NodeFlags, OnlineType, Ops
from helpers.wait import wait_until

NAMES = ("kswapd", "kcompactd")


def threads(nid: int) -> set[str]:
    """Which of the two the node has, by thread name."""
    return {name for name in NAMES if f"{name}{nid}" in kernel_thread_names()}


def wait_threads(nid: int, expected: set[str]) -> None:
    wait_until(
        lambda: threads(nid) == expected, 10, lambda: f"{expected} on node {nid}, found {threads(nid)}"
    )


@requirement("DSC-11")
@pytest.mark.parametrize("online", [OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])
def test_private_node_has_neither(unplugged: PrivateRange, ordinary_node: Node, online: OnlineType) -> None:
    node = unplugged.plug(online=online)
    assert threads(node.nid) == set()
    assert not node.state().flags & (NodeFlags.KSWAPD | NodeFlags.KCOMPACTD)
    assert threads(ordinary_node.nid) == set(NAMES), "the control: D has both"


@requirement("DSC-11")
def test_opening_for_policies_starts_neither(open_node: OpenNode) -> None:
    node = open_node(Ops.MIGRATION | Ops.MEMPOLICY)
    assert threads(node.nid) == set()


@requirement("DSC-11")
def test_the_same_range_as_ordinary_memory_has_both(unplugged: PrivateRange) -> None:
    unplugged.plug().unplug()
    ordinary = unplugged.plug_ordinary()
    wait_threads(ordinary.nid, set(NAMES))
    ordinary.unplug()
    wait_threads(ordinary.nid, set())
    private: PrivateNode = unplugged.plug()
    assert threads(private.nid) == set(), "left over from the time as ordinary memory"

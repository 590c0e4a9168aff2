# SPDX-License-Identifier: GPL-2.0-only
"""HPL-03: when node_private_unregister() lets a node go."""

import pytest

from fixtures.nodes import OpenNode, PrivateRange
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.testmod import Entry, OnlineType, Ops, TestModule
from selftests.hotplug.standing import BARE, PRIVATE, REGISTERED, snapshot, standing

ONLINE = [OnlineType.MOVABLE, OnlineType.KERNEL]


@requirement("HPL-03")
@pytest.mark.parametrize("online", ONLINE, ids=["movable", "kernel"])
def test_memory_online_keeps_the_registration(
    mod: TestModule, unplugged: PrivateRange, alloc: AllocFactory, online: OnlineType
) -> None:
    node = unplugged.plug(online=online)
    before = snapshot(mod, node.nid)
    assert outcome(mod.unregister, node.nid) == "EBUSY"
    assert snapshot(mod, node.nid) == before
    taken = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE)
    assert taken is not None, "the node does not work any more"
    assert taken.nid == node.nid
    assert not alloc(Entry.ALLOC_PAGES_NODE, node, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.THISNODE)


@pytest.mark.core
@requirement("HPL-03")
def test_a_refusal_keeps_the_services(mod: TestModule, open_node: OpenNode) -> None:
    node = open_node(Ops.MIGRATION | Ops.MEMPOLICY)
    before = snapshot(mod, node.nid)
    assert before["ops"] == int(node.flags or 0)
    assert outcome(mod.unregister, node.nid) == "EBUSY"
    assert snapshot(mod, node.nid) == before


@requirement("HPL-03")
def test_any_online_block_keeps_the_registration(mod: TestModule, unplugged: PrivateRange) -> None:
    node = unplugged.plug(2 * unplugged.block)
    for block in node.blocks():
        block.offline()
        assert outcome(mod.unregister, node.nid) == "EBUSY", f"with memory{block.index} offline"
        assert standing(mod, node.nid) == PRIVATE
        block.online("online_movable")


@requirement("HPL-03")
def test_nothing_registered_is_fine(
    mod: TestModule, unplugged: PrivateRange, ordinary_nodes: list[Node]
) -> None:
    for nid in (unplugged.nid, *(node.nid for node in ordinary_nodes)):
        before = snapshot(mod, nid)
        assert outcome(mod.unregister, nid) == OK, f"node {nid}: {before}"
        assert snapshot(mod, nid) == before


@requirement("HPL-03")
def test_without_memory_the_registration_ends(mod: TestModule, unplugged: PrivateRange) -> None:
    mod.register(unplugged.nid)
    assert standing(mod, unplugged.nid) == REGISTERED
    assert outcome(mod.unregister, unplugged.nid) == OK
    assert standing(mod, unplugged.nid) == BARE
    assert outcome(mod.unregister, unplugged.nid) == OK, "a second time there is nothing registered"


@requirement("HPL-03")
def test_the_last_unplug_ends_the_registration(mod: TestModule, unplugged: PrivateRange) -> None:
    assert unplugged.plug().unplug() == 0
    assert standing(mod, unplugged.nid) == BARE
    assert outcome(mod.unregister, unplugged.nid) == OK

# SPDX-License-Identifier: GPL-2.0-only
"""HPL-01 and HPL-02: which nodes and objects node_private_register() takes, and what its refusals leave."""

import pytest

from fixtures.nodes import PrivateNode, PrivateRange
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.testmod import Entry, Object, TestModule
from selftests.hotplug.standing import BARE, ORDINARY, PRIVATE, REGISTERED, snapshot, standing

INT_MAX, INT_MIN = 2**31 - 1, -(2**31)
FIRST, SECOND = 0, 1  # objects of one descriptor


@pytest.mark.core
@requirement("HPL-01")
def test_a_node_with_ordinary_memory_is_refused(
    mod: TestModule, unplugged: PrivateRange, ordinary_nodes: list[Node], alloc: AllocFactory
) -> None:
    for node in ordinary_nodes:
        before = snapshot(mod, node.nid)
        assert outcome(mod.register, node.nid) == "EBUSY", f"{node}: {before}"
        assert snapshot(mod, node.nid) == before
        taken = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.THISNODE)
        assert taken is not None, f"{node} gives no memory any more"
    assert outcome(mod.register, unplugged.nid) == OK, "the control: a node without memory"
    assert standing(mod, unplugged.nid) == REGISTERED


@requirement("HPL-01")
def test_adding_to_a_node_with_ordinary_memory_is_refused(
    mod: TestModule, unplugged: PrivateRange, ordinary_nodes: list[Node]
) -> None:
    for node in ordinary_nodes:
        before, total = snapshot(mod, node.nid), node.meminfo()["MemTotal"]
        assert outcome(mod.plug, node.nid, unplugged.start, unplugged.block) == "EBUSY", f"{node}"
        assert snapshot(mod, node.nid) == before
        assert node.meminfo()["MemTotal"] == total
    unplugged.plug()
    assert standing(mod, unplugged.nid) == PRIVATE, "the control: the same range on its own node"


@requirement("HPL-01")
def test_a_hot_added_ordinary_node_is_refused(mod: TestModule, unplugged: PrivateRange) -> None:
    ordinary = unplugged.plug_ordinary()
    before = snapshot(mod, ordinary.nid)
    assert before["standing"] == ORDINARY
    assert outcome(mod.register, ordinary.nid) == "EBUSY"
    assert snapshot(mod, ordinary.nid) == before
    ordinary.unplug()
    assert outcome(mod.register, ordinary.nid) == OK, "the control: its memory is gone"


@requirement("HPL-02")
def test_no_object_is_invalid(mod: TestModule, unplugged: PrivateRange) -> None:
    assert outcome(mod.register, unplugged.nid, Object.NULL) == "EINVAL"
    added = outcome(mod.plug, unplugged.nid, unplugged.start, unplugged.block, obj=Object.NULL)
    assert added == "EINVAL"
    assert standing(mod, unplugged.nid) == BARE
    assert outcome(mod.register, unplugged.nid, FIRST) == OK


@requirement("HPL-02")
@pytest.mark.parametrize("nid", [-1, INT_MIN, "first impossible", 1024, INT_MAX], ids=str)
def test_an_impossible_node_is_invalid(mod: TestModule, unplugged: PrivateRange, nid: int | str) -> None:
    number = nid if isinstance(nid, int) else mod.handshake.nr_node_ids
    assert outcome(mod.register, number) == "EINVAL"
    assert outcome(mod.plug, number, unplugged.start, unplugged.block) == "EINVAL"
    assert outcome(mod.register, unplugged.nid) == OK, "the control: a possible node"


@requirement("HPL-02")
def test_the_same_object_again_is_fine(mod: TestModule, unplugged: PrivateRange) -> None:
    for _again in range(3):
        assert outcome(mod.register, unplugged.nid, FIRST) == OK
        assert standing(mod, unplugged.nid) == REGISTERED
    # Registering is no counting: one end is enough.
    assert outcome(mod.unregister, unplugged.nid) == OK
    assert standing(mod, unplugged.nid) == BARE


@pytest.mark.core
@requirement("HPL-02")
def test_the_same_object_again_with_memory_online(testmod: TestModule, closed_node: PrivateNode) -> None:
    before = snapshot(testmod, closed_node.nid)
    assert outcome(testmod.register, closed_node.nid, Object.NODE) == OK
    assert snapshot(testmod, closed_node.nid) == before


@requirement("HPL-02")
def test_a_second_object_is_refused(mod: TestModule, unplugged: PrivateRange) -> None:
    assert outcome(mod.register, unplugged.nid, FIRST) == OK
    assert outcome(mod.register, unplugged.nid, SECOND) == "EBUSY"
    assert standing(mod, unplugged.nid) == REGISTERED
    assert outcome(mod.register, unplugged.nid, FIRST) == OK, "the first one is not registered any more"
    mod.unregister(unplugged.nid)
    assert outcome(mod.register, unplugged.nid, SECOND) == OK, "the control: the node is free again"


@requirement("HPL-02")
def test_a_second_object_is_refused_with_memory_online(mod: TestModule, unplugged: PrivateRange) -> None:
    unplugged.need(2)
    node = unplugged.plug()
    before = snapshot(mod, node.nid)
    assert outcome(mod.register, node.nid, FIRST) == "EBUSY"
    # A second driver's range, that is an object of its own.
    assert outcome(mod.plug, node.nid, node.start + node.size, unplugged.block) == "EBUSY"
    assert snapshot(mod, node.nid) == before
    second = unplugged.plug(offset=unplugged.block)
    assert second.managed_pages() > 0, "the control: the same range by the first driver"

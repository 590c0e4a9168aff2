# SPDX-License-Identifier: GPL-2.0-only
"""DSC-01 to DSC-04: in which node lists a private node appears."""

import stat
from pathlib import Path

import pytest

from fixtures.nodes import OpenNode, PrivateNode, PrivateRange
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers.nodemask import NodeMask
from helpers.nodes import Node, has_private_memory, node_list
from helpers.testmod import NodeStates, OnlineType, Ops, TestModule
from helpers.wait import wait_until

LISTING = Path("/sys/devices/system/node/has_private_memory")
NOBODY = 65534


@requirement("DSC-01")
def test_file_is_world_readable_and_read_only(closed_node: PrivateNode, child: ChildFactory) -> None:
    assert stat.S_IMODE(LISTING.stat().st_mode) == 0o444
    text = child(LISTING.read_text, uid=NOBODY)
    assert closed_node.nid in NodeMask.parse(text), f"an unprivileged reader got {text!r}"
    with pytest.raises(PermissionError):
        LISTING.write_text("0")


@requirement("DSC-01")
def test_file_is_a_canonical_node_list(closed_node: PrivateNode, second_closed_node: PrivateNode) -> None:
    text = LISTING.read_text()
    assert text == f"{NodeMask([closed_node.nid, second_closed_node.nid]).format()}\n"


@requirement("DSC-01")
def test_lists_exactly_nodes_with_online_private_memory(
    unplugged: PrivateRange, second_unplugged: PrivateRange
) -> None:
    p, q = unplugged.nid, second_unplugged.nid
    assert LISTING.read_text() == "\n"
    node = unplugged.plug()
    assert has_private_memory() == {p}
    second_unplugged.plug()
    assert has_private_memory() == {p, q}
    node.unplug()
    assert has_private_memory() == {q}
    second_unplugged.unplug()
    assert LISTING.read_text() == "\n"


@requirement("DSC-01")
def test_offline_memory_is_not_listed(unplugged: PrivateRange) -> None:
    node = unplugged.plug(online=OnlineType.OFFLINE)
    assert has_private_memory() == set(), "memory added offline makes the node private already"
    (block,) = node.node.memory_blocks()
    block.online("online_movable")
    assert has_private_memory() == {unplugged.nid}
    block.offline()
    assert has_private_memory() == set(), "no block is online any more"


@requirement("DSC-01")
def test_ordinary_memory_is_not_listed(
    closed_node: PrivateNode, ordinary_nodes: list[Node], second_unplugged: PrivateRange
) -> None:
    hot_added = second_unplugged.plug_ordinary()
    assert node_list("has_memory") >= {hot_added.nid, *(node.nid for node in ordinary_nodes)}
    assert has_private_memory() == {closed_node.nid}


@requirement("DSC-02")
def test_only_an_open_node_is_in_has_memory(open_node: OpenNode, ordinary_node: Node) -> None:
    for flags in (Ops.NONE, Ops.MIGRATION, Ops.MIGRATION | Ops.MEMPOLICY):
        node = open_node(flags)
        opened = Ops.MEMPOLICY in flags
        found = node_list("has_memory")
        assert (node.nid in found) is opened, f"{node}: has_memory is {found}"
        assert ordinary_node.nid in found
        assert has_private_memory() == {node.nid}, f"{node}"
    node.clear_ops()
    assert node.nid not in node_list("has_memory"), "ops cleared, still in has_memory"


@requirement("DSC-02")
def test_node_without_ops_is_not_in_has_memory(closed_node: PrivateNode, ordinary_node: Node) -> None:
    assert closed_node.nid not in node_list("has_memory")
    assert ordinary_node.nid in node_list("has_memory")
    assert has_private_memory() == {closed_node.nid}


@requirement("DSC-03")
@pytest.mark.parametrize("flags", [Ops.NONE, Ops.MIGRATION | Ops.MEMPOLICY], ids=["closed", "open"])
def test_movable_node_is_not_in_has_normal_memory(
    open_node: OpenNode, ordinary_node: Node, flags: Ops
) -> None:
    node = open_node(flags)
    assert node.nid not in node_list("has_normal_memory")
    assert ordinary_node.nid in node_list("has_normal_memory")


@requirement("DSC-03a")
def test_kernel_zone_node_is_not_in_has_normal_memory(
    closed_kernel_node: PrivateNode, ordinary_node: Node
) -> None:
    assert closed_kernel_node.node.zone("Normal").managed > 0
    assert closed_kernel_node.nid not in node_list("has_normal_memory")
    assert ordinary_node.nid in node_list("has_normal_memory")


@requirement("DSC-04")
def test_online_and_possible_without_cpus(closed_node: PrivateNode, ordinary_nodes: list[Node]) -> None:
    assert closed_node.nid in node_list("online")
    assert closed_node.nid in node_list("possible")
    assert closed_node.nid not in node_list("has_cpu")
    assert closed_node.node.cpus() == []
    assert node_list("has_cpu") & {node.nid for node in ordinary_nodes}, "no ordinary node has a CPU"


@requirement("DSC-04")
@pytest.mark.parametrize("flags", [Ops.NONE, Ops.MIGRATION | Ops.MEMPOLICY], ids=["closed", "open"])
def test_no_node_is_ordinary_and_private(
    testmod: TestModule, open_node: OpenNode, second_closed_node: PrivateNode, flags: Ops
) -> None:
    node = open_node(flags)
    states = {nid: testmod.node_state(nid).states for nid in node_list("possible")}
    private = {nid for nid, state in states.items() if state & NodeStates.MEMORY_PRIVATE}
    both = {nid for nid in private if states[nid] & NodeStates.MEMORY}
    assert private == {node.nid, second_closed_node.nid}, f"{states}"
    assert not both, f"N_MEMORY and N_MEMORY_PRIVATE at a time: {states}"


@requirement("DSC-04")
def test_offline_after_unplug(unplugged: PrivateRange) -> None:
    unplugged.plug().unplug()
    wait_until(lambda: unplugged.nid not in node_list("online"), 5, f"node {unplugged.nid} offline")
    assert unplugged.nid in node_list("possible")

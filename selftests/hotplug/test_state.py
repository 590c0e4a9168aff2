# SPDX-License-Identifier: GPL-2.0-only
"""HPL-06: the node is private from its first online block to its last."""

import pytest

from fixtures.nodes import PrivateRange
from fixtures.requirement import requirement
from helpers.nodes import node_list
from helpers.testmod import NodeStates, Object, OnlineType, TestModule
from selftests.hotplug.standing import BARE, PRIVATE, REGISTERED, standing

# Blocks of one range, numbered from 0, that go online (+) and offline (-) by sysfs.
SEQUENCES = ("+0 -0 +1 -1", "+0 +1 -0 -1", "+0 +1 -1 -0", "+1 +0 -1 +1 -0 -1")
KINDS = {
    "movable": ["online_movable"],
    "kernel": ["online_kernel"],
    "mixed": ["online_kernel", "online_movable"],
}


@requirement("HPL-06")
@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda text: text.replace(" ", "").replace("+", "_"))
def test_private_while_any_block_is_online(
    mod: TestModule, unplugged: PrivateRange, sequence: str, kinds: list[str]
) -> None:
    node = unplugged.plug(2 * unplugged.block, online=OnlineType.OFFLINE)
    blocks, online = node.blocks(), set[int]()
    assert standing(mod, node.nid) == REGISTERED
    for step in sequence.split():
        index = int(step[1])
        if step[0] == "+":
            blocks[index].online(kinds[index % len(kinds)])
            online.add(index)
        else:
            blocks[index].offline()
            online.discard(index)
        assert standing(mod, node.nid) == (PRIVATE if online else REGISTERED), f"{step} of {sequence}"


@pytest.mark.core
@requirement("HPL-06")
def test_from_plug_to_unplug(mod: TestModule, unplugged: PrivateRange) -> None:
    for _again in range(2):
        assert standing(mod, unplugged.nid) == BARE
        node = unplugged.plug()
        assert standing(mod, node.nid) == PRIVATE
        assert node.unplug() == 0
    assert standing(mod, unplugged.nid) == BARE
    assert unplugged.nid not in node_list("online")


@requirement("HPL-06")
def test_registered_before_the_first_range(
    mod: TestModule, testmod: TestModule, unplugged: PrivateRange
) -> None:
    # The very object that the plug uses: as a driver that registers early.
    testmod.register(unplugged.nid, Object.NODE)
    assert standing(mod, unplugged.nid) == REGISTERED
    node = unplugged.plug()
    assert standing(mod, node.nid) == PRIVATE
    assert node.unplug() == 0
    assert standing(mod, unplugged.nid) == BARE


@requirement("HPL-06")
def test_an_offline_range_beside_an_online_one(mod: TestModule, unplugged: PrivateRange) -> None:
    unplugged.plug(online=OnlineType.OFFLINE)
    assert standing(mod, unplugged.nid) == REGISTERED
    online = unplugged.plug(offset=unplugged.block)
    assert standing(mod, unplugged.nid) == PRIVATE
    for block in online.blocks():
        block.offline()
    assert standing(mod, unplugged.nid) == REGISTERED, "no block is online any more"


@requirement("HPL-06")
def test_other_nodes_keep_their_states(
    testmod: TestModule, unplugged: PrivateRange, second_unplugged: PrivateRange
) -> None:
    def others(*but: int) -> dict[int, NodeStates]:
        return {nid: testmod.node_state(nid).states for nid in node_list("possible") if nid not in but}

    before = others(unplugged.nid, second_unplugged.nid)
    first, second = unplugged.plug(), second_unplugged.plug()
    assert others(first.nid, second.nid) == before
    first.unplug()
    assert standing(testmod, second.nid) == PRIVATE, "it went with the other private node"
    assert others(first.nid, second.nid) == before

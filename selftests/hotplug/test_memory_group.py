# SPDX-License-Identifier: GPL-2.0-only
"""HPL-17: memory that is added by the number of a memory group, as by a driver of DIMMs or of virtio-mem."""

import errno

import pytest

from fixtures.nodes import PrivateRange
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory
from helpers.memory import PAGE_SIZE
from helpers.outcome import outcome
from helpers.testmod import Entry, OnlineType, Ops, TestModule
from selftests.hotplug.standing import BARE, PRIVATE, ZONES, standing, zones_with_memory


@requirement("HPL-17")
@pytest.mark.parametrize("ops", [None, Ops.MIGRATION | Ops.MEMPOLICY], ids=["closed", "open"])
@pytest.mark.parametrize(("online", "zone"), ZONES.items(), ids=["movable", "kernel"])
def test_the_node_is_the_groups(
    unplugged: PrivateRange, mod: TestModule, alloc: AllocFactory, online: OnlineType, zone: str,
    ops: Ops | None,
) -> None:  # fmt: skip
    """The range becomes private memory of the group's node, and no number is taken for the other."""
    others = {nid: standing(mod, nid) for nid in range(mod.handshake.nr_node_ids) if nid != unplugged.nid}
    node = unplugged.plug(2 * unplugged.block, online=online, ops=ops, group=True)
    assert standing(mod, node.nid) == PRIVATE
    assert zones_with_memory(mod, node.nid) == {zone: node.size // PAGE_SIZE}
    assert {nid: standing(mod, nid) for nid in others} == others
    taken = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE)
    assert taken is not None
    assert taken.nid == node.nid
    refused = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.THISNODE)
    assert refused is None, "not closed to who does not ask"
    taken.free()
    assert node.unplug() == 0
    assert standing(mod, unplugged.nid) == BARE


@requirement("HPL-17")
def test_beside_memory_that_was_added_by_the_node(unplugged: PrivateRange, mod: TestModule) -> None:
    """The same registration, so that removing one leaves the other."""
    unplugged.plug()
    grouped = unplugged.plug(offset=unplugged.block, group=True)
    assert grouped.unplug() == errno.EBUSY, "the rest of the node's memory is there"
    assert standing(mod, unplugged.nid) == PRIVATE


@requirement("HPL-17")
def test_no_such_group(unplugged: PrivateRange, mod: TestModule) -> None:
    """Refused, and nothing is registered: a good addition can follow."""
    assert outcome(unplugged.plug, group=False) == "EINVAL"
    assert standing(mod, unplugged.nid) == BARE
    unplugged.plug(group=True)
    assert standing(mod, unplugged.nid) == PRIVATE, "the control: a group that exists"

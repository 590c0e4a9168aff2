# SPDX-License-Identifier: GPL-2.0-only
"""HPL-05: which zone the memory is in, by the driver's online type or by sysfs later."""

import pytest

from fixtures.nodes import PrivateRange
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory
from helpers.memory import PAGE_SIZE
from helpers.outcome import outcome
from helpers.testmod import Entry, NodeStates, OnlineType, TestModule
from selftests.hotplug.standing import PRIVATE, REGISTERED, ZONES, standing, zones_with_memory

BY_ZONE = pytest.mark.parametrize(("online", "zone"), ZONES.items(), ids=["movable", "kernel"])


@requirement("HPL-05")
@BY_ZONE
def test_all_pages_are_in_the_zone(
    mod: TestModule, unplugged: PrivateRange, online: OnlineType, zone: str
) -> None:
    node = unplugged.plug(2 * unplugged.block, online=online)
    assert zones_with_memory(mod, node.nid) == {zone: node.size // PAGE_SIZE}
    state = node.state().zone(zone)
    assert state is not None
    assert (state.start_pfn, state.spanned) == (node.start // PAGE_SIZE, node.size // PAGE_SIZE)
    assert [block.valid_zones for block in node.blocks()] == [[zone], [zone]]


@pytest.mark.core
@requirement("HPL-05")
@BY_ZONE
def test_the_zone_decides_what_it_takes(
    mod: TestModule, unplugged: PrivateRange, alloc: AllocFactory, online: OnlineType, zone: str
) -> None:
    node = unplugged.plug(online=online)
    movable = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE)
    assert movable is not None, f"no movable page in zone {zone}"
    assert movable.nid == node.nid
    unmovable = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=mod.gfp.KERNEL | mod.gfp.GFP_PRIVATE)
    assert (unmovable is not None) is (zone == "Normal"), f"in zone {zone}, GFP_KERNEL: {unmovable}"


@requirement("HPL-05")
def test_added_offline_it_gives_nothing(
    mod: TestModule, unplugged: PrivateRange, alloc: AllocFactory
) -> None:
    node = unplugged.plug(online=OnlineType.OFFLINE)
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE
    assert standing(mod, node.nid) == REGISTERED
    assert [block.state for block in node.blocks()] == ["offline"]
    assert zones_with_memory(mod, node.nid) == {}
    assert alloc(Entry.ALLOC_PAGES_NODE, node, gfp=gfp) is None
    node.blocks()[0].online("online_movable")
    taken = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=gfp)
    assert taken is not None, "the control: online it gives pages"
    assert taken.nid == node.nid


@requirement("HPL-05")
@pytest.mark.parametrize("kind", ["online_movable", "online_kernel", "online"])
def test_sysfs_makes_it_private(
    mod: TestModule, unplugged: PrivateRange, alloc: AllocFactory, kind: str
) -> None:
    node = unplugged.plug(online=OnlineType.OFFLINE)
    (block,) = node.blocks()
    block.online(kind)
    assert standing(mod, node.nid) == PRIVATE
    (zone,) = zones_with_memory(mod, node.nid)
    assert kind == "online" or zone == ZONES[OnlineType[kind.removeprefix("online_").upper()]]
    assert not alloc(Entry.ALLOC_PAGES_NODE, node, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.THISNODE)
    assert alloc(Entry.ALLOC_PAGES_NODE, node, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE)


@requirement("HPL-05")
def test_a_block_may_change_its_zone(mod: TestModule, unplugged: PrivateRange) -> None:
    node = unplugged.plug()
    (block,) = node.blocks()
    for kind, zone in (("online_kernel", "Normal"), ("online_movable", "Movable")):
        block.offline()
        assert standing(mod, node.nid) == REGISTERED
        block.online(kind)
        assert zones_with_memory(mod, node.nid) == {zone: node.size // PAGE_SIZE}
        assert standing(mod, node.nid) == PRIVATE
        assert not node.state().states & NodeStates.NORMAL_MEMORY


@requirement("HPL-05")
def test_two_ranges_in_two_zones(mod: TestModule, unplugged: PrivateRange) -> None:
    low = unplugged.plug(online=OnlineType.KERNEL)
    high = unplugged.plug(offset=unplugged.block, online=OnlineType.MOVABLE)
    pages = unplugged.block // PAGE_SIZE
    assert zones_with_memory(mod, unplugged.nid) == {"Normal": pages, "Movable": pages}
    assert [part.blocks()[0].valid_zones for part in (low, high)] == [["Normal"], ["Movable"]]
    assert standing(mod, unplugged.nid) == PRIVATE


@requirement("HPL-05")
def test_sysfs_refuses_other_words(mod: TestModule, unplugged: PrivateRange) -> None:
    node = unplugged.plug(online=OnlineType.OFFLINE)
    (block,) = node.blocks()
    assert outcome(block.online, "online_private") == "EINVAL"
    assert standing(mod, node.nid) == REGISTERED

# SPDX-License-Identifier: GPL-2.0-only
"""HPL-07: two ranges of one node: removing the first ends with EBUSY though it is gone, the second with 0."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode, PrivateRange
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory
from helpers.memory import PAGE_SIZE
from helpers.nodes import memory_blocks, node_list
from helpers.outcome import errno_name, outcome
from helpers.residency import residency
from helpers.testmod import Entry, OnlineType, TestModule
from selftests.hotplug.standing import BARE, PRIVATE, standing, zones_with_memory

ORDER = pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["low_first", "high_first"])
ZONE_PAIRS = {
    "movable": (OnlineType.MOVABLE, OnlineType.MOVABLE),
    "kernel": (OnlineType.KERNEL, OnlineType.KERNEL),
    "mixed": (OnlineType.KERNEL, OnlineType.MOVABLE),
}


def unplug(part: PrivateNode) -> str:
    """The errno of the unplug by name, "0" for none; raises when the range is still there."""
    number = part.unplug()
    return errno_name(number) if number else "0"


@requirement("HPL-07")
@pytest.mark.parametrize("zones", ZONE_PAIRS.values(), ids=ZONE_PAIRS)
@ORDER
def test_the_first_to_go_is_busy_and_gone(
    mod: TestModule, unplugged: PrivateRange, order: tuple[int, int], zones: tuple[OnlineType, OnlineType]
) -> None:
    parts = [unplugged.plug(offset=index * unplugged.block, online=zones[index]) for index in (0, 1)]
    going, staying = (parts[index] for index in order)
    assert unplug(going) == "EBUSY"
    assert {block.start for block in memory_blocks()} & {part.start for part in parts} == {staying.start}
    assert standing(mod, unplugged.nid) == PRIVATE
    assert sum(zones_with_memory(mod, unplugged.nid).values()) == staying.size // PAGE_SIZE
    assert unplug(staying) == "0"
    assert standing(mod, unplugged.nid) == BARE
    assert unplugged.nid not in node_list("online")


@pytest.mark.core
@requirement("HPL-07")
@ORDER
def test_the_rest_still_works(
    mod: TestModule, unplugged: PrivateRange, alloc: AllocFactory, order: tuple[int, int]
) -> None:
    parts = [unplugged.plug(), unplugged.plug(offset=unplugged.block)]
    going, staying = (parts[index] for index in order)
    assert unplug(going) == "EBUSY"
    gfp = mod.gfp.HIGHUSER_MOVABLE
    taken = alloc(Entry.ALLOC_PAGES_NODE, staying, gfp=gfp | mod.gfp.GFP_PRIVATE, count=32)
    assert taken is not None
    assert taken.nid == staying.nid
    assert all(staying.start <= pfn * PAGE_SIZE < staying.start + staying.size for pfn in taken.pfns)
    assert not alloc(Entry.ALLOC_PAGES_NODE, staying, gfp=gfp | mod.gfp.THISNODE), "not closed any more"


@requirement("HPL-07")
def test_data_on_the_rest_is_untouched(
    mod: TestModule, unplugged: PrivateRange, device_memory: AnonFactory
) -> None:
    staying = unplugged.plug(offset=unplugged.block)
    mod.device(staying.nid, 64 * PAGE_SIZE)
    memory = device_memory(64)
    memory.touch(full=True)
    before = residency(memory)
    assert before.all_on(staying.nid), before
    assert unplug(unplugged.plug()) == "EBUSY"
    assert residency(memory).frames == before.frames
    memory.verify(full=True)


@requirement("HPL-07")
@ORDER
def test_removed_ranges_can_come_back(
    mod: TestModule, unplugged: PrivateRange, order: tuple[int, int]
) -> None:
    parts = [unplugged.plug(), unplugged.plug(offset=unplugged.block)]
    going = parts[order[0]]
    assert unplug(going) == "EBUSY"
    again = unplugged.plug(offset=going.start - unplugged.start)
    assert sum(zones_with_memory(mod, unplugged.nid).values()) == 2 * unplugged.block // PAGE_SIZE
    assert unplug(again) == "EBUSY", "the other range is still there"


@requirement("HPL-07a")
@pytest.mark.parametrize("size", [0, PAGE_SIZE, "half"], ids=["empty", "page", "half_a_block"])
def test_part_of_a_block_cannot_be_removed(
    mod: TestModule, testmod: TestModule, unplugged: PrivateRange, size: int | str
) -> None:
    node = unplugged.plug()
    length = node.size // 2 if size == "half" else size
    assert outcome(testmod.unplug, node.nid, node.start, length) == "EINVAL"
    assert standing(mod, node.nid) == PRIVATE
    assert zones_with_memory(mod, node.nid) == {"Movable": node.size // PAGE_SIZE}
    assert unplug(node) == "0", "the control: all of it can"

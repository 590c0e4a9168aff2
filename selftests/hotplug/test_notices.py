# SPDX-License-Identifier: GPL-2.0-only
"""HPL-15: who wants to know of memory is told, of private memory as of ordinary memory."""

from collections.abc import Callable
from typing import Any

import pytest

from fixtures.nodes import PrivateNode, PrivateRange
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.memory import PAGE_SIZE
from helpers.testmod import HotplugAction, Kind, OnlineType, Ops, TestModule
from helpers.uevents import Uevents

KINDS: dict[str, dict[str, Any]] = {
    "closed": {},
    "open": {"ops": Ops.MIGRATION | Ops.MEMPOLICY},
}
ZONES = pytest.mark.parametrize("online", [OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])
UP = [HotplugAction.GOING_ONLINE, HotplugAction.ONLINE]
DOWN = [HotplugAction.GOING_OFFLINE, HotplugAction.OFFLINE]
Life = Callable[[], object]
MEMORY_AND_NODES = ("/devices/system/memory/", "/devices/system/node/")


def told(mod: TestModule, *acts: Life) -> list[list[tuple[HotplugAction, int | None, int, int]]]:
    """For each act what the notifiers were told meanwhile."""
    found = []
    for act in acts:
        since = mod.hotplug()[1]
        act()
        events = mod.hotplug(since)[0]
        found.append([(one.action, one.nid, one.start_pfn, one.nr_pages) for one in events])
    return found


def life(range_: PrivateRange, blocks: int, online: OnlineType, options: dict[str, Any]) -> tuple[Life, Life]:
    """Plug and unplug of so many memory blocks. Ordinary memory, the control, is movable whatever zone P is
    in: what goes to its kernel zone unasked, from Linux 6.14 on the stack of its own kswapd, stays there."""
    parts: list[PrivateNode] = []
    size = blocks * range_.block
    ordinary = options.get("kind") is Kind.ORDINARY
    plug = (
        (lambda: parts.append(range_.plug_ordinary(size)))
        if ordinary
        else (lambda: parts.append(range_.plug(size, online=online, **options)))
    )
    return plug, lambda: parts[0].unplug()


@requirement("HPL-15")
@ZONES
@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_notifiers_are_told_the_same(
    unplugged: PrivateRange, mod: TestModule, kind: str, blocks: int, online: OnlineType
) -> None:
    private = told(mod, *life(unplugged, blocks, online, KINDS[kind]))
    ordinary = told(mod, *life(unplugged, blocks, online, {"kind": Kind.ORDINARY}))
    assert private == ordinary


@requirement("HPL-15")
@core
def test_notifiers_are_told_of_the_range_and_the_node(unplugged: PrivateRange, mod: TestModule) -> None:
    up, down = told(mod, *life(unplugged, 2, OnlineType.MOVABLE, {}))
    pages = unplugged.block // PAGE_SIZE
    first, second = (unplugged.start // PAGE_SIZE + index * pages for index in (0, 1))
    ranges = [(one[2], one[3]) for one in up if one[0] in UP]
    assert ranges == [(first, pages)] * 2 + [(second, pages)] * 2
    assert [one[0] for one in up if one[0] in UP] == UP * 2
    assert [one[0] for one in down if one[0] in DOWN] == DOWN * 2
    # The node's state changes with the first block and the last one.
    assert {one[1] for one in up if one[2] == first and one[0] in UP} | {None} == {unplugged.nid, None}
    assert {one[1] for one in up + down} <= {unplugged.nid, None}


@requirement("HPL-15")
def test_a_refused_unplug_is_taken_back(unplugged: PrivateRange, mod: TestModule, alloc: Any) -> None:
    node = unplugged.plug(online=OnlineType.KERNEL)
    taken = alloc(0, node, gfp=mod.gfp.KERNEL | mod.gfp.GFP_PRIVATE)
    assert taken is not None
    assert taken.nid == node.nid
    since = mod.hotplug()[1]
    with pytest.raises(OSError, match="UNPLUG"):
        node.unplug()
    actions = [one.action for one in mod.hotplug(since)[0]]
    assert actions in ([], [HotplugAction.GOING_OFFLINE, HotplugAction.CANCEL_OFFLINE]), f"{actions}"
    taken.free()
    assert node.unplug() == 0


@requirement("HPL-15")
@ZONES
@pytest.mark.parametrize("kind", KINDS)
def test_uevents_are_the_same(unplugged: PrivateRange, kind: str, online: OnlineType) -> None:
    found = []
    for options in (KINDS[kind], {"kind": Kind.ORDINARY}):
        with Uevents() as uevents:
            for act in life(unplugged, 2, online, options):
                act()
            # Not what is made of it elsewhere: with HMAT ordinary memory may add a memory tier.
            found.append([one for one in uevents.read() if one.devpath.startswith(MEMORY_AND_NODES)])
    assert found[0], "not one uevent"
    assert found[0] == found[1], f"private: {[*map(str, found[0])]}; ordinary: {[*map(str, found[1])]}"


@requirement("HPL-15")
@core
def test_uevents_name_blocks_and_node(unplugged: PrivateRange) -> None:
    with Uevents() as uevents:
        node = unplugged.plug()
        (block,) = node.blocks()
        up = [*map(str, uevents.read())]
        node.unplug()
        down = [*map(str, uevents.read())]
    memory, place = f"/devices/system/memory/memory{block.index}", f"/devices/system/node/node{node.nid}"
    assert [event for event in up if memory in event] == [f"add@{memory}", f"online@{memory}"]
    assert [event for event in down if memory in event] == [f"offline@{memory}", f"remove@{memory}"]
    assert (f"add@{place}" in up, f"remove@{place}" in down) == (True, True), f"{up}, {down}"


@requirement("HPL-15")
@core
def test_blocks_by_sysfs_as_well(unplugged: PrivateRange, mod: TestModule) -> None:
    node = unplugged.plug(online=OnlineType.OFFLINE)
    (block,) = node.blocks()
    with Uevents() as uevents:
        up, down = told(mod, lambda: block.online("online_movable"), block.offline)
        seen = [event.action for event in uevents.read() if event.devpath.endswith(f"memory{block.index}")]
    assert [one[0] for one in up if one[0] in UP] == UP
    assert [one[0] for one in down if one[0] in DOWN] == DOWN
    assert seen == ["online", "offline"]

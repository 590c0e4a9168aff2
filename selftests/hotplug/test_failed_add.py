# SPDX-License-Identifier: GPL-2.0-only
"""HPL-04: an add that fails says why, and leaves the node as it found it."""

from collections.abc import Callable

import pytest

from fixtures.nodes import PrivateNode, PrivateRange
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory
from helpers.memory import PAGE_SIZE
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.testmod import Entry, Kind, OnlineType, TestModule
from selftests.hotplug.standing import BARE, PRIVATE, REGISTERED, snapshot, standing, world

Range = tuple[int, int]  # start and size in bytes

UNALIGNED: dict[str, Callable[[PrivateRange], Range]] = {
    "start": lambda one: (one.start + PAGE_SIZE, one.block),
    "size": lambda one: (one.start, one.block + PAGE_SIZE),
    "half_a_block": lambda one: (one.start, one.block // 2),
    "half_a_block_up": lambda one: (one.start + one.block // 2, one.block),
    "byte": lambda one: (one.start + 1, 1),
}


def check_refused(mod: TestModule, range_: PrivateRange, bad: Range, expected: str | None = None) -> None:
    """The bad range fails with its errno, that of an ordinary add; the node can be taken by another owner."""
    private = outcome(mod.plug, range_.nid, *bad)
    assert standing(mod, range_.nid) == BARE, f"after an add that ended with {private}"
    plain = outcome(mod.plug, range_.nid, *bad, kind=Kind.ORDINARY, online_type=OnlineType.OFFLINE)
    assert private != OK, f"{bad[1]:#x} bytes at {bad[0]:#x} were added"
    assert private == (expected or plain), f"{private}; an ordinary add of the same range: {plain}"
    # `mod` tried and failed, the session's descriptor has an object of its own: EBUSY if any were left.
    node = range_.plug()
    assert standing(mod, range_.nid) == PRIVATE
    assert node.managed_pages() * PAGE_SIZE == node.size


@requirement("HPL-04")
@pytest.mark.parametrize("bad", UNALIGNED.values(), ids=UNALIGNED)
def test_unaligned_range(
    mod: TestModule, unplugged: PrivateRange, bad: Callable[[PrivateRange], Range]
) -> None:
    check_refused(mod, unplugged, bad(unplugged), "EINVAL")


@requirement("HPL-04")
def test_empty_range(mod: TestModule, unplugged: PrivateRange) -> None:
    check_refused(mod, unplugged, (unplugged.start, 0))


@requirement("HPL-04")
def test_range_of_ordinary_memory(
    mod: TestModule, unplugged: PrivateRange, ordinary_nodes: list[Node]
) -> None:
    node = ordinary_nodes[-1]
    last, before = node.memory_blocks()[-1], snapshot(mod, node.nid)
    check_refused(mod, unplugged, (last.start, last.size), "EEXIST")
    assert snapshot(mod, node.nid) == before


@requirement("HPL-04")
def test_range_of_another_private_node(
    mod: TestModule, unplugged: PrivateRange, second_closed_node: PrivateNode
) -> None:
    before = snapshot(mod, second_closed_node.nid)
    check_refused(mod, unplugged, (second_closed_node.start, second_closed_node.size), "EEXIST")
    assert snapshot(mod, second_closed_node.nid) == before


@requirement("HPL-04")
@pytest.mark.parametrize("name", ["pnode_test", "System RAM", "System RAM (pnode_test"])
def test_resource_name_that_is_no_drivers(mod: TestModule, unplugged: PrivateRange, name: str) -> None:
    added = outcome(mod.plug, unplugged.nid, unplugged.start, unplugged.block, name=name)
    assert added == "EINVAL"
    assert standing(mod, unplugged.nid) == BARE
    unplugged.plug(name="System RAM (pnode_test)")
    assert standing(mod, unplugged.nid) == PRIVATE


@pytest.mark.core
@requirement("HPL-04")
def test_failure_on_a_node_that_has_private_memory(
    mod: TestModule, testmod: TestModule, unplugged: PrivateRange, alloc: AllocFactory
) -> None:
    node = unplugged.plug()
    before = snapshot(mod, node.nid)
    for start, size, expected in (
        (node.start, node.size, "EEXIST"),
        (node.start, 2 * node.size, "EEXIST"),
        (node.start + node.size + PAGE_SIZE, PAGE_SIZE, "EINVAL"),
    ):
        assert outcome(testmod.plug, node.nid, start, size) == expected, f"{size:#x} bytes at {start:#x}"
        assert snapshot(mod, node.nid) == before
    taken = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE)
    assert taken is not None
    assert taken.nid == node.nid


@pytest.fixture(params=[(1, False), (2, False), (1, True)], ids=["only_one", "second_of_two", "beside"])
def refused(
    request: pytest.FixtureRequest, mod: TestModule, unplugged: PrivateRange
) -> tuple[int, bool, dict[str, object]]:
    """A driver that is told of memory that goes online has no room for the last block of the next plug; it is
    added by then. Size of that plug in bytes, whether the node has another block, and how things are now."""
    blocks, beside = request.param
    unplugged.need(blocks + beside)
    if beside:
        unplugged.plug(offset=unplugged.block)
    mod.hotplug(refuse=blocks)
    return blocks * unplugged.block, beside, world(mod, unplugged.nid)


@requirement("HPL-04")
def test_memory_that_somebody_refuses(
    testmod: TestModule, unplugged: PrivateRange, refused: tuple[int, bool, dict[str, object]]
) -> None:
    """All is undone. Or the add has done its part, as add_memory_resource() sees it: then the block is the
    owner's to online."""
    size, beside, before = refused
    ended = outcome(unplugged.plug, size)
    if ended != OK:
        assert world(testmod, unplugged.nid) == before, f"after an add that ended with {ended}"
        unplugged.plug(size)
    else:
        node = unplugged.parts[-1]
        (offline,) = (block for block in node.blocks() if block.state == "offline")
        assert standing(testmod, node.nid) == (PRIVATE if beside or size > unplugged.block else REGISTERED)
        offline.online("online_movable")
    assert standing(testmod, unplugged.nid) == PRIVATE
    managed = testmod.node_state(unplugged.nid).managed_pages
    assert managed == (size + beside * unplugged.block) // PAGE_SIZE, "the control: nobody refuses it now"


@requirement("HPL-04a")
def test_memory_that_somebody_refuses_is_not_added(
    testmod: TestModule, unplugged: PrivateRange, refused: tuple[int, bool, dict[str, object]]
) -> None:
    size, _beside, before = refused
    assert outcome(unplugged.plug, size) == "ENOMEM"
    assert world(testmod, unplugged.nid) == before

# SPDX-License-Identifier: GPL-2.0-only
"""CRM-08, CRM-08a, CRM-08b, CRM-09, CRM-14, CRM-14a: the device is short of room."""

from collections.abc import Iterator

import pytest

from fixtures.nodes import PrivateNode
from fixtures.pressure import SwapFactory
from fixtures.requirement import requirement
from fixtures.tiers import Cold, ColdFactory, LowerNode
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.testmod import NodeFlags, Ops
from helpers.wait import wait_until
from selftests.cram.arrival import MakeCram, arrive
from selftests.services.boost import boost_of

PAGES = 512


@requirement("CRM-08")
def test_boost_in_proportion(cram: MakeCram) -> None:
    node = cram()
    boosts = []
    for pressure in (0, 250, 500, 750, 1000):
        node.mod.cram_set_pressure(node.nid, pressure)
        boosts.append(boost_of(node))
    step = boosts[4] / 4
    assert step > node.managed_pages() / 1000, f"{boosts} pages of {node.managed_pages()}"
    assert boosts == pytest.approx([index * step for index in range(5)], abs=8), "for each quarter"
    node.mod.cram_clear_pressure(node.nid)
    assert boost_of(node) == 0, f"{node} after the pressure was cleared"


@requirement("CRM-08b")
def test_there_is_no_more(cram: MakeCram) -> None:
    """Pressure ends at 1000: more is refused and changes nothing, up to what would be less than none."""
    node = cram()
    node.mod.cram_set_pressure(node.nid, 500)
    before = boost_of(node)
    for pressure in (1001, 1 << 31, (1 << 32) - 1):
        assert outcome(node.mod.cram_set_pressure, node.nid, pressure) != OK, f"{node}, {pressure}"
        assert boost_of(node) == before, f"{pressure}: {before} pages of boost before, {boost_of(node)} now"
        assert not node.state().flags & NodeFlags.BLOCKED, f"{node} is blocked by a pressure of {pressure}"
    assert outcome(node.mod.cram_set_pressure, node.nid, 1000) == OK, "the control: the most there is"
    node.mod.cram_clear_pressure(node.nid)


@requirement("CRM-08b")
def test_pressure_is_of_a_registered_node(lower_node: LowerNode, ordinary_node: Node) -> None:
    """Private but not registered, ordinary, or impossible: nothing changes."""
    node = lower_node(Ops.DEMOTION)
    for nid in (node.nid, ordinary_node.nid, -1, 1 << 20):
        for call in (lambda nid: node.mod.cram_set_pressure(nid, 1000), node.mod.cram_clear_pressure):
            assert outcome(call, nid) != OK, f"node {nid}"
    assert boost_of(node) == 0, f"{node}: {boost_of(node)} pages of boost"
    assert not node.state().flags & NodeFlags.BLOCKED, f"{node}"
    node.clear_ops()
    node.mod.cram_register(node.nid)
    assert outcome(node.mod.cram_set_pressure, node.nid, 1000) == OK, "the control: registered"
    node.mod.cram_unregister(node.nid)


@pytest.fixture
def near_and_far(
    cram: MakeCram, second_cram: MakeCram, cold: ColdFactory, swap: SwapFactory
) -> Iterator[tuple[PrivateNode, PrivateNode]]:
    """Two devices: the one that memory is demoted to has no room at all from then on, the other one has."""
    swap()
    nodes = (cram(), second_cram())
    memory = cold(PAGES)
    found = memory.reclaim(lambda found: any(found.any_on(node.nid) for node in nodes))
    assert any(found.any_on(node.nid) for node in nodes), f"the control: {found}"
    near, far = sorted(nodes, key=lambda node: not found.any_on(node.nid))
    near.mod.cram_set_pressure(near.nid, 1000)
    yield near, far
    back(memory)
    near.mod.cram_clear_pressure(near.nid)


def back(memory: Cold) -> None:
    """What was swapped comes back as it was."""
    memory.group.set_memory(swap_max="max")
    memory.verify()


@requirement("CRM-14")
def test_of_one_device_alone(near_and_far: tuple[PrivateNode, PrivateNode], cold: ColdFactory) -> None:
    """The boost and the block are those of the device without room, and cold pages do not go there."""
    near, far = near_and_far
    assert (boost_of(far), boost_of(near) > 0) == (0, True), f"boosts of {far} and {near}"
    blocked = [bool(one.state().flags & NodeFlags.BLOCKED) for one in (near, far)]
    assert blocked == [True, False], f"{near} and {far} blocked: {blocked}"
    memory = cold(PAGES)
    found = memory.reclaim()
    assert not found.any_on(near.nid), f"{near} has no room: {found}"
    back(memory)


@requirement("CRM-14a")
def test_the_other_device_has_room(near_and_far: tuple[PrivateNode, PrivateNode], cold: ColdFactory) -> None:
    near, far = near_and_far
    memory = cold(PAGES)
    found = memory.reclaim(lambda found: found.counts[far.nid] > PAGES // 2)
    assert found.counts[far.nid] > PAGES // 2, f"{near} has no room, {far} has: {found}"
    back(memory)


@requirement("CRM-08a")
@pytest.mark.parametrize("pressure", [0, 500, 1000])
def test_pages_leave(cram: MakeCram, cold: ColdFactory, swap: SwapFactory, pressure: int) -> None:
    """Under pressure kswapd swaps pages of the node; without any they stay. Back again, all is as before."""
    swap()
    node = cram()
    memory = cold(PAGES)
    before = arrive(memory, node)
    memory.group.set_memory(swap_max="max")
    node.mod.cram_set_pressure(node.nid, pressure)
    if pressure:
        wait_until(
            lambda: node.mod.cram_set_pressure(node.nid, pressure)
            or memory.where().counts[node.nid] < before.counts[node.nid] // 2,
            20, lambda: f"{node}: {memory.where()}, before: {before}", pause=0.05,
        )  # fmt: skip
        found = memory.where()
        left = before.counts[node.nid] - found.counts[node.nid]
        assert found.swapped >= left, f"{left} pages have left {node}: {found}, before: {before}"
    else:
        with pytest.raises(TimeoutError):
            wait_until(lambda: memory.where().swapped, 2, "pages to be swapped")
    node.mod.cram_clear_pressure(node.nid)
    memory.verify()
    again = cold(PAGES)
    arrive(again, node)


@requirement("CRM-09")
@pytest.mark.parametrize("released", ["clear", "less"])
def test_blocked_at_the_most(cram: MakeCram, cold: ColdFactory, swap: SwapFactory, released: str) -> None:
    """Cold pages go to swap then, and to the node again when there is less pressure."""
    swap()
    node = cram()
    node.mod.cram_set_pressure(node.nid, 1000)
    assert node.state().flags & NodeFlags.BLOCKED, f"{node} is not blocked"
    memory = cold(PAGES, swap_max="max")
    found = memory.reclaim(lambda found: found.swapped > PAGES // 2)
    assert found.swapped > PAGES // 2, f"{node}, no room: {found}"
    assert not found.any_on(node.nid), f"{node}, no room: {found}"
    if released == "clear":
        node.mod.cram_clear_pressure(node.nid)
    else:
        node.mod.cram_set_pressure(node.nid, 10)
    assert not node.state().flags & NodeFlags.BLOCKED, f"{node} is still blocked"
    fresh = cold(PAGES)
    arrive(fresh, node)
    memory.verify()
    fresh.verify()

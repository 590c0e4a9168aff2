# SPDX-License-Identifier: GPL-2.0-only
"""CRM-08, CRM-09: the device is short of room."""

import pytest

from fixtures.pressure import SwapFactory
from fixtures.requirement import requirement
from fixtures.tiers import ColdFactory
from helpers.outcome import OK, outcome
from helpers.testmod import NodeFlags
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
    """Pressure ends at 1000: more is refused and changes nothing."""
    node = cram()
    node.mod.cram_set_pressure(node.nid, 500)
    before = boost_of(node)
    assert outcome(node.mod.cram_set_pressure, node.nid, 1001) != OK, f"{node}"
    assert boost_of(node) == before, f"{node}: {before} pages of boost before, {boost_of(node)} now"
    node.mod.cram_clear_pressure(node.nid)


@requirement("CRM-08")
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

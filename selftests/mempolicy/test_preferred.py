# SPDX-License-Identifier: GPL-2.0-only
"""MPL-03: PREFERRED and PREFERRED_MANY, with room on P and without."""

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import Mode
from helpers.nodes import Node
from selftests.mempolicy.placing import HUGE, PAGES, Faulted

SIZES = [pytest.param(PAGES, False, id="base", marks=core), pytest.param(HUGE, True, id="huge")]


@requirement("MPL-03")
@pytest.mark.parametrize(("pages", "thp"), SIZES)
def test_preferred_takes_the_node_first(p: PrivateNode, faulted: Faulted, pages: int, thp: bool) -> None:
    where = faulted(Mode.PREFERRED, [p.nid], pages, thp=thp)
    assert where.all_on(p.nid), f"PREFERRED {p}, {p.free_pages()} pages free: {where}"


@requirement("MPL-03")
@pytest.mark.parametrize(("pages", "thp"), SIZES)
@pytest.mark.parametrize("mode", [Mode.PREFERRED, Mode.PREFERRED_MANY], ids=["one", "many"])
def test_full_node_makes_way_to_ordinary_ones(
    p: PrivateNode, ordinary_nodes: list[Node], faulted: Faulted, mode: Mode, pages: int, thp: bool
) -> None:
    ordinary = {node.nid for node in ordinary_nodes}
    with p.fill():
        where = faulted(mode, [p.nid], pages, thp=thp)
    assert where.absent == 0, f"{mode.name} with P full: {where}"
    assert set(where.counts) <= ordinary, f"{mode.name} with P full, ordinary are {ordinary}: {where}"


def room(node: PrivateNode) -> int:
    """Pages to leave free: a full node is at its min watermark, and who can go elsewhere stops at the low."""
    marks = [zone.watermarks for zone in node.node.zones()]
    return sum(one.low + one.boost - one.min for one in marks) + 512


@requirement("MPL-03")
@core
def test_preferred_goes_on_elsewhere_where_the_node_ends(
    p: PrivateNode, ordinary_nodes: list[Node], faulted: Faulted
) -> None:
    left = room(p)
    with p.fill(leave=left):
        where = faulted(Mode.PREFERRED, [p.nid], 2 * left)
    assert where.absent == 0, f"{where}"
    assert where.nodes[0] == p.nid, (
        f"{left} pages free on P, yet the first one asked for is elsewhere: {where}"
    )
    # Watermarks are checked against a counter that lacks what each CPU has not yet added to it.
    assert 0 < where.counts[p.nid] <= left + 8 * PAGES, f"{left} pages were left on P: {where}"
    assert set(where.counts) - {p.nid} <= {node.nid for node in ordinary_nodes}, f"{where}"


@requirement("MPL-03")
@core
def test_preferred_many_is_accepted(
    p: PrivateNode, q: PrivateNode, ordinary_nodes: list[Node], faulted: Faulted
) -> None:
    ordinary = {node.nid for node in ordinary_nodes}
    for mask in ([p.nid], [q.nid], [p.nid, q.nid], [ordinary_nodes[0].nid, p.nid]):
        where = faulted(Mode.PREFERRED_MANY, mask)
        assert where.absent == 0, f"PREFERRED_MANY {mask}: {where}"
        assert set(where.counts) <= ordinary | set(mask), f"PREFERRED_MANY {mask}: {where}"


@requirement("MPL-03a")
@pytest.mark.parametrize(("pages", "thp"), SIZES)
def test_preferred_many_takes_the_node_first(p: PrivateNode, faulted: Faulted, pages: int, thp: bool) -> None:
    where = faulted(Mode.PREFERRED_MANY, [p.nid], pages, thp=thp)
    assert where.all_on(p.nid), f"PREFERRED_MANY {p}, {p.free_pages()} pages free: {where}"

# SPDX-License-Identifier: GPL-2.0-only
"""MPL-12: huge pages under a policy on P, when P has room for them and when it has room in fragments only."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.requirement import requirement
from helpers.constants import MADV_DONTNEED, MADV_POPULATE_WRITE, Mode
from helpers.memory import Mapping
from helpers.testmod import OnlineType, TestModule
from selftests.mempolicy.letters import with_q
from selftests.mempolicy.placing import HUGE, OPEN, Faulted
from selftests.oracle import located

MODES = [Mode.BIND, Mode.PREFERRED, Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE]
#: Single pages: enough for the watermarks of either zone, and some huge pages as base pages.
HOLES = 3072
modes = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.lower().replace("_", "-"))
zones = pytest.mark.parametrize("online", [OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])


@contextmanager
def fragmented(node: PrivateNode) -> Iterator[int]:
    """Only single pages are free on the node, one between two that are in use; yields how many."""
    with node.fill(leave=3 * HOLES), Mapping.anonymous(2 * HOLES) as memory:
        memory.bind(Mode.BIND, [node.nid])
        memory.advise(MADV_POPULATE_WRITE)
        with node.fill(reserves=True):
            for index in range(0, memory.pages, 2):
                memory.advise(MADV_DONTNEED, first=index, count=1)
            yield node.free_pages()


def touched(anon: AnonFactory, mode: Mode, node: PrivateNode) -> Mapping:
    """Room for four huge pages, written and read under a policy on the node."""
    memory = anon(4 * HUGE, thp=True)
    memory.bind(mode, [node.nid])
    memory.touch()
    memory.verify()
    return memory


@requirement("MPL-12")
@modes
@zones
def test_room_for_huge_pages(
    open_node: OpenNode, mod: TestModule, anon: AnonFactory, mode: Mode, online: OnlineType
) -> None:
    node = open_node(OPEN, online=online)
    where = located(mod, touched(anon, mode, node))
    assert where.all_on(node.nid), f"{mode.name} {node}: {where}"


@requirement("MPL-12a")
@modes
@zones
def test_huge_pages_where_there_is_room(
    open_node: OpenNode, mod: TestModule, anon: AnonFactory, mode: Mode, online: OnlineType
) -> None:
    node = open_node(OPEN, online=online)
    memory = touched(anon, mode, node)
    where, seen = located(mod, memory), memory.smaps()
    assert where.all_on(node.nid), f"{mode.name} {node}: {where}"
    assert where.huge_runs() == 4, f"{mode.name} {node}: {where}"
    assert seen["AnonHugePages"] == memory.nbytes, f"{mode.name} {node}: {seen}"


@requirement("MPL-12")
@modes
@zones
def test_room_in_fragments(
    open_node: OpenNode, mod: TestModule, anon: AnonFactory, mode: Mode, online: OnlineType
) -> None:
    node = open_node(OPEN, online=online)
    memory = anon(HUGE, thp=True)
    memory.bind(mode, [node.nid])
    with fragmented(node) as free:
        memory.touch()
        where = located(mod, memory)
        assert where.all_on(node.nid), f"{mode.name} {node} with {free} single pages free: {where}"
        assert where.huge_runs() == 0, f"the node was not in fragments, {free} pages free: {where}"
        memory.verify()


@requirement("MPL-12")
@with_q
def test_huge_pages_of_several_private_nodes(nodes: dict[str, int], p: PrivateNode, faulted: Faulted) -> None:
    """What one has no room for the other has, as huge pages or not."""
    with fragmented(p):
        where = faulted(Mode.BIND, [nodes["P"], nodes["Q"]], 4 * HUGE, thp=True)
    assert where.absent == 0, f"{where}"
    assert set(where.counts) <= {nodes["P"], nodes["Q"]}, f"BIND {{P,Q}}, P in fragments: {where}"


@requirement("MPL-12")
def test_mapping_of_base_and_huge_parts(p: PrivateNode, mod: TestModule, anon: AnonFactory) -> None:
    """The bound range begins and ends in the middle of a huge page."""
    memory = anon(4 * HUGE, thp=True)
    memory.bind(Mode.BIND, [p.nid], first=HUGE // 2, count=3 * HUGE)
    memory.touch()
    where = located(mod, memory)
    assert set(where.nodes[HUGE // 2 : HUGE // 2 + 3 * HUGE]) == {p.nid}, f"the bound part: {where}"
    assert p.nid not in where.nodes[: HUGE // 2] + where.nodes[HUGE // 2 + 3 * HUGE :], f"the rest: {where}"
    memory.verify()

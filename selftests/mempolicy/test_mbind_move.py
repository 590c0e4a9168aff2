# SPDX-License-Identifier: GPL-2.0-only
"""MPL-09: mbind() of a range that has pages already."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL, MPOL_MF_STRICT, Mode
from helpers.observed import landed
from helpers.testmod import TestModule
from selftests.mempolicy.placing import HUGE, PAGES
from selftests.oracle import located, placed

KINDS = {
    "base": {"pages": PAGES},
    "huge": {"pages": HUGE, "thp": True},
}
kinds = pytest.mark.parametrize("kind", [pytest.param("base", marks=core), "huge"])
FLAGS = {
    "move": MPOL_MF_MOVE,
    "move_all": MPOL_MF_MOVE_ALL,
    "move_strict": MPOL_MF_MOVE | MPOL_MF_STRICT,
}


@requirement("MPL-09")
@kinds
@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
def test_move_brings_pages_to_the_node(
    nodes: dict[str, int], mod: TestModule, anon: AnonFactory, kind: str, flags: int
) -> None:
    memory = placed(anon(**KINDS[kind]), nodes["D"])
    assert located(mod, memory).all_on(nodes["D"])
    memory.bind(Mode.BIND, [nodes["P"]], flags)
    where = landed(located(mod, memory), "BIND", [nodes["P"]], by="mbind, MPOL_MF_MOVE")
    assert where.all_on(nodes["P"]), f"BIND {{{nodes['P']}}}: {where}"
    memory.verify()


@requirement("MPL-09")
@core
@pytest.mark.parametrize("mode", [Mode.BIND, Mode.PREFERRED], ids=["bind", "preferred"])
@pytest.mark.parametrize("route", ["D>P", "P>Q", "P>D"])
def test_moves_among_the_nodes(
    nodes: dict[str, int], mod: TestModule, anon: AnonFactory, mode: Mode, route: str
) -> None:
    source, target = (nodes[letter] for letter in route.split(">"))
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [source])
    memory.touch()
    assert located(mod, memory).all_on(source)
    memory.bind(mode, [target], MPOL_MF_MOVE)
    where = located(mod, memory)
    assert where.all_on(target), f"{mode.name} {{{target}}}: {where}"
    memory.verify()


@requirement("MPL-09")
@core
def test_without_move_old_pages_stay_and_new_ones_go(
    nodes: dict[str, int], mod: TestModule, anon: AnonFactory
) -> None:
    memory = anon(2 * PAGES)
    memory.bind(Mode.BIND, [nodes["D"]])
    memory.touch(count=PAGES)
    frames = located(mod, memory).frames[:PAGES]
    memory.bind(Mode.BIND, [nodes["P"]])
    memory.verify(count=PAGES)
    memory.touch(first=PAGES)
    where = located(mod, memory)
    assert where.nodes == [nodes["D"]] * PAGES + [nodes["P"]] * PAGES, f"first half touched before: {where}"
    assert where.frames[:PAGES] == frames, "old pages moved within D"
    memory.verify()


@requirement("MPL-09")
@core
def test_move_leaves_pages_that_are_right(nodes: dict[str, int], mod: TestModule, anon: AnonFactory) -> None:
    memory = anon(2 * PAGES)
    memory.bind(Mode.BIND, [nodes["P"]], first=PAGES, count=PAGES)
    memory.touch()
    frames = located(mod, memory).frames[PAGES:]
    memory.bind(Mode.BIND, [nodes["P"]], MPOL_MF_MOVE)
    where = located(mod, memory)
    assert where.all_on(nodes["P"]), f"{where}"
    assert where.frames[PAGES:] == frames, "pages that were on P moved within it"
    memory.verify()


@requirement("MPL-09")
@core
def test_only_the_named_pages_move(nodes: dict[str, int], mod: TestModule, anon: AnonFactory) -> None:
    memory = placed(anon(3 * PAGES), nodes["D"])
    memory.bind(Mode.BIND, [nodes["P"]], MPOL_MF_MOVE, first=PAGES, count=PAGES)
    where = located(mod, memory)
    expected = [nodes[letter] for letter in "DPD" for _page in range(PAGES)]
    assert where.nodes == expected, f"the second third bound to P: {where.nodes}"
    memory.verify()

# SPDX-License-Identifier: GPL-2.0-only
"""MIG-07: pages that are hard to move fare on a private node as between two ordinary ones, which are asked
each time: the kernel's own answer is what is expected."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.nodes import Node
from helpers.testmod import TestModule
from selftests.migration.awkward import FEW, FLAGS, KINDS, Maker, tried
from selftests.migration.moves import OPEN
from selftests.migration.tasks import assert_stuck, mover
from selftests.oracle import located

#: What is known of the kernel's answers beside their being the same everywhere: does the page move?
MOVES = {
    "plain": {"move": True, "move_all": True},
    "pinned": {"move": False, "move_all": False},
    "in_a_pipe": {"move": False, "move_all": False},
    "locked": {"move": True, "move_all": True},
    "shared": {"move": False, "move_all": True},
    "read_only": {"move": True, "move_all": True},
    "no_access": {"move": True, "move_all": True},
}


@pytest.fixture
def maker(mod: TestModule, child: ChildFactory, anon: AnonFactory) -> Iterator[Maker]:
    with ExitStack() as hold:
        yield Maker(mod, child, anon, hold)


@requirement("MIG-07")
@core
@pytest.mark.parametrize("route", ["DP", "PD", "PQ"])
@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("kind", KINDS)
def test_fares_as_between_ordinary_nodes(
    open_node: OpenNode,
    second_open_node: OpenNode,
    ordinary_node: Node,
    second_ordinary_node: Node,
    mod: TestModule,
    maker: Maker,
    kind: str,
    flags: str,
    route: str,
) -> None:
    nodes = {"P": open_node(OPEN).nid, "Q": second_open_node(OPEN).nid, "D": ordinary_node.nid}
    source, target = (nodes[letter] for letter in route)
    home, other = ordinary_node.nid, second_ordinary_node.nid
    expected = tried(mod, KINDS[kind](maker, home, home), home, other, FLAGS[flags])
    memory = KINDS[kind](maker, home, source)
    seen = tried(mod, memory, source, target, FLAGS[flags])
    assert seen == expected, f"{kind} pages, {route}"
    word = "target" if MOVES[kind][flags] else "source"
    assert seen[2] == (word,) * FEW, f"{kind} pages, {route}: {seen}"
    maker.hold.close()
    memory.verify()


@requirement("MIG-07")
@core
@pytest.mark.parametrize("route", ["DE", "DP", "PD", "PQ"])
@pytest.mark.parametrize("state", ["locked", "writeback"])
@pytest.mark.usefixtures("one_cpu")  # on another one the call could find the reference of unhold()
def test_waits_for_a_folio_that_is_busy(
    open_node: OpenNode, second_open_node: OpenNode, ordinary_node: Node, second_ordinary_node: Node,
    mod: TestModule, maker: Maker, child: ChildFactory, state: str, route: str,
) -> None:  # fmt: skip
    """D to E is the control: move_pages() is MIGRATE_SYNC."""
    nodes = {"P": open_node(OPEN).nid, "Q": second_open_node(OPEN).nid}
    nodes |= {"D": ordinary_node.nid, "E": second_ordinary_node.nid}
    source, target = (nodes[letter] for letter in route)
    memory = maker.busy(nodes["D"], source, state)
    before = located(mod, memory)
    worker = child.start(mover, os.getpid(), memory.addrs(), target, lean=True)
    worker.step()
    worker.go_on()
    assert_stuck(worker)
    assert located(mod, memory).frames == before.frames, f"{route}, {state}: {before}"
    maker.hold.close()
    assert worker.finish() == (0, [target] * FEW), f"{route}, {state}: {located(mod, memory)}"
    assert located(mod, memory).all_on(target), f"{route}, {state}: {located(mod, memory)}"
    memory.verify()

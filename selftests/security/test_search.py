# SPDX-License-Identifier: GPL-2.0-only
"""SEC-01: a bounded random search for a way onto a closed node, by a user without privilege."""

from collections.abc import Callable

import pytest

from fixtures.knobs import KnobSetter
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.nodes import Node
from helpers.residency import residency_of
from helpers.testmod import Ops
from selftests.security.walk import LOOKS, walker

NOBODY = 65534
SEEDS = [pytest.param(seed, marks=core if seed == 1 else ()) for seed in (1, 2, 3, 4, 5, 6)]


@pytest.fixture(autouse=True)
def numa_counters(knob: KnobSetter) -> None:
    """Allocations are counted by node, also where the administrator has that switched off."""
    knob("vm.numa_stat", 1)


def allocations(node: Node) -> int:
    """How often the node has ever given memory, to whoever asked and whichever node was meant: what a child
    that has ended had, page tables, and all that came and went between two looks counts."""
    counted = node.numastat()
    return counted["numa_hit"] + counted["numa_miss"]


def pages_seen(child: ChildFactory, seed: int, wanted: int) -> tuple[int, dict[str, int]]:
    """Pages of the walker that were found on the node in all looks, and the kernel's answers."""
    worker, found = child.start(walker, seed, wanted, uid=NOBODY, timeout=60, lean=True), 0
    for _look in range(LOOKS):
        for address, pages in worker.step():
            found += residency_of(address, pages, worker.pid).counts[wanted]
    return found, worker.finish()


@requirement("SEC-01")
@pytest.mark.timeout(110)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_sequence_of_calls_gets_a_page(
    closed_node: PrivateNode,
    second_ordinary_node: Node,
    child: ChildFactory,
    record_property: Callable[[str, object], None],
    seed: int,
) -> None:
    print(f"seed {seed}")
    before = allocations(closed_node.node)
    found, answers = pages_seen(child, seed, closed_node.nid)
    record_property("answers", answers)
    had = allocations(closed_node.node) - before
    assert had == 0, f"seed {seed}: {closed_node} gave {had} times, {found} pages in {LOOKS} looks; {answers}"
    assert found == 0, f"seed {seed}: {found} pages on {closed_node} in {LOOKS} looks; {answers}"
    before = allocations(second_ordinary_node)
    control, answers = pages_seen(child, seed, second_ordinary_node.nid)
    had = allocations(second_ordinary_node) - before
    assert control > 0, f"seed {seed}, the control: nothing on {second_ordinary_node}; {answers}"
    assert had > 0, f"seed {seed}, the control: {second_ordinary_node} gave {had} times, {control} seen"


@requirement("SEC-01")
@pytest.mark.timeout(110)
@pytest.mark.parametrize("seed", [11, 12])
def test_nor_beside_an_open_node(
    closed_node: PrivateNode, second_open_node: OpenNode, child: ChildFactory, seed: int
) -> None:
    """Another private node that takes all comers opens no way onto the closed one."""
    second_open_node(Ops.MIGRATION | Ops.MEMPOLICY)
    print(f"seed {seed}")
    before = allocations(closed_node.node)
    found, answers = pages_seen(child, seed, closed_node.nid)
    had = allocations(closed_node.node) - before
    assert (had, found) == (0, 0), f"seed {seed}: {closed_node} gave {had} times, {found} seen; {answers}"

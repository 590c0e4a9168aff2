# SPDX-License-Identifier: GPL-2.0-only
"""SEC-01: a bounded random search for a way onto a closed node, by a user without privilege."""

from collections.abc import Callable

import pytest

from fixtures.nodes import OpenNode, PrivateNode, stable_free_pages
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.nodes import Node
from helpers.residency import residency_of
from helpers.testmod import Ops
from selftests.security.walk import LOOKS, walker

NOBODY = 65534
SEEDS = [pytest.param(seed, marks=core if seed == 1 else ()) for seed in (1, 2, 3, 4, 5, 6)]


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
    before = stable_free_pages(closed_node)
    found, answers = pages_seen(child, seed, closed_node.nid)
    record_property("answers", answers)
    assert found == 0, f"seed {seed}: {found} pages on {closed_node} in {LOOKS} looks; {answers}"
    assert stable_free_pages(closed_node) == before, f"seed {seed}: {answers}"
    control, answers = pages_seen(child, seed, second_ordinary_node.nid)
    assert control > 0, f"seed {seed}, the control: nothing on {second_ordinary_node}; {answers}"


@requirement("SEC-01")
@pytest.mark.timeout(110)
@pytest.mark.parametrize("seed", [11, 12])
def test_nor_beside_an_open_node(
    closed_node: PrivateNode, second_open_node: OpenNode, child: ChildFactory, seed: int
) -> None:
    """Another private node that takes all comers opens no way onto the closed one."""
    second_open_node(Ops.MIGRATION | Ops.MEMPOLICY)
    print(f"seed {seed}")
    before = stable_free_pages(closed_node)
    found, answers = pages_seen(child, seed, closed_node.nid)
    assert found == 0, f"seed {seed}: {found} pages on {closed_node}; {answers}"
    assert stable_free_pages(closed_node) == before, f"seed {seed}: {answers}"

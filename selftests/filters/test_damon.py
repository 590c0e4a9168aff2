# SPDX-License-Identifier: GPL-2.0-only
"""FLT-07: DAMON moves physical memory off P only if P is open for migration."""

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from fixtures.requirement import requirement
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Ops
from helpers.wait import wait_until
from selftests.filters.kinds import OPEN, OnNode
from selftests.isolation import damon
from selftests.noops.pages import Frozen

pytestmark = pytest.mark.parametrize("kind", ["base", "huge"])


@requirement("FLT-07")
@pytest.mark.parametrize("flags", [None, Ops.NONE, Ops.RECLAIM, Ops.LONGTERM_PIN], ids=str)
def test_nothing_moves_without_migration(
    open_node: OpenNode, memory_on: OnNode, ordinary_node: Node, second_ordinary_node: Node, flags: Ops | None
) -> None:
    """Pages from when P was open; now it is closed, or open for something else."""
    p = open_node(OPEN)
    memory, control = memory_on(p.nid), memory_on(ordinary_node.nid)
    p.clear_ops()
    if flags is not None:
        p.set_ops(flags)
    stay = Frozen(memory)
    try:
        with damon.moving(*damon.span(memory), second_ordinary_node.nid) as mover:
            wait_until(lambda: mover.stats()["nr_tried"] >= 3, 20, lambda: f"DAMON: {mover.stats()}")
    except damon.Unsupported:
        pytest.skip("needs a DAMON that moves memory")
    stay.check(f"DAMON, {p}")
    with damon.moving(*damon.span(control), second_ordinary_node.nid):
        wait_until(
            lambda: residency(control).any_on(second_ordinary_node.nid), 20,
            lambda: f"the control moved: {residency(control)}",
        )  # fmt: skip


@requirement("FLT-07")
def test_pages_move_with_migration(p: PrivateNode, memory_on: OnNode, ordinary_node: Node) -> None:
    memory = memory_on(p.nid)
    try:
        with damon.moving(*damon.span(memory), ordinary_node.nid):
            wait_until(
                lambda: residency(memory).any_on(ordinary_node.nid), 20,
                lambda: f"pages moved: {residency(memory)}",
            )  # fmt: skip
    except damon.Unsupported:
        pytest.skip("needs a DAMON that moves memory")
    memory.verify()

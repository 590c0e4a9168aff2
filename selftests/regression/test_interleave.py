# SPDX-License-Identifier: GPL-2.0-only
"""REG-07: interleaving over ordinary nodes, P and Q being there and nearer than E."""

import pytest

from fixtures.knobs import KnobSetter
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import MPOL_F_STATIC_NODES, Mode
from helpers.testmod import TestModule
from selftests.mempolicy.placing import HUGE, PAGES, fault
from selftests.mempolicy.shares import assert_shares, set_weights

MANY = 5000
by_policy = pytest.mark.parametrize("by", ["mbind", "set_mempolicy"])


@requirement("REG-07")
@core
@pytest.mark.parametrize("flag", [0, MPOL_F_STATIC_NODES], ids=["plain", "static"])
def test_page_by_page_in_turn(ordinary: dict[str, int], mod: TestModule, flag: int) -> None:
    where = fault(mod, "mbind", Mode.INTERLEAVE | flag, ordinary.values(), 2 * PAGES)
    turn = where.nodes[:2]
    assert set(turn) == set(ordinary.values()), f"{where.nodes}"
    assert where.nodes == turn * PAGES, f"page by page: {where.nodes}"


@requirement("REG-07")
@by_policy
def test_evenly(ordinary: dict[str, int], mod: TestModule, child: ChildFactory, by: str) -> None:
    where = child(fault, mod, by, Mode.INTERLEAVE, list(ordinary.values()), MANY)
    assert_shares(where, dict.fromkeys(ordinary.values(), 1))


@requirement("REG-07")
@by_policy
@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (1, 4), (5, 2)], ids=str)
def test_ratio_of_the_weights(
    ordinary: dict[str, int], mod: TestModule, child: ChildFactory, knob: KnobSetter, by: str,
    weights: tuple[int, int],
) -> None:  # fmt: skip
    by_node = dict(zip(ordinary.values(), weights, strict=True))
    set_weights(knob, by_node)
    where = child(fault, mod, by, Mode.WEIGHTED_INTERLEAVE, list(by_node), MANY)
    assert_shares(where, by_node)


@requirement("REG-07")
@by_policy
def test_huge_pages(ordinary: dict[str, int], mod: TestModule, child: ChildFactory, by: str) -> None:
    where = child(lambda: fault(mod, by, Mode.INTERLEAVE, list(ordinary.values()), 4 * HUGE, thp=True))
    assert_shares(where, dict.fromkeys(ordinary.values(), 1))
    assert where.huge_runs() == 4, f"no huge pages: {where}"

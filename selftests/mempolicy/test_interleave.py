# SPDX-License-Identifier: GPL-2.0-only
"""MPL-04: INTERLEAVE and WEIGHTED_INTERLEAVE with private nodes among the nodes."""

import pytest

from fixtures.knobs import KnobSetter
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import Mode
from helpers.testmod import TestModule
from selftests.mempolicy.placing import HUGE, Faulted, fault, fault_of_task
from selftests.mempolicy.shares import assert_shares, set_weights

MASKS = ("DP", "PQ", "DPQ", "DEP")
ROUND = 24  # pages: a multiple of every number of nodes above
MANY = 10_000


@requirement("MPL-04")
@core
@pytest.mark.parametrize("mask", MASKS)
def test_range_goes_round_the_nodes(nodes: dict[str, int], mod: TestModule, mask: str) -> None:
    nids = [nodes[letter] for letter in mask]
    where = fault(mod, "mbind", Mode.INTERLEAVE, nids, ROUND)
    turn = where.nodes[: len(nids)]
    assert set(turn) == set(nids), f"INTERLEAVE {nids}: {where.nodes}"
    assert where.nodes == turn * (ROUND // len(nids)), f"INTERLEAVE {nids}, page by page: {where.nodes}"


@requirement("MPL-04")
@pytest.mark.parametrize("mask", MASKS)
def test_task_policy_spreads_evenly(nodes: dict[str, int], child: ChildFactory, mask: str) -> None:
    weights = {nodes[letter]: 1 for letter in mask}
    assert_shares(child(fault_of_task, Mode.INTERLEAVE, list(weights), 1200, lean=True), weights)


@requirement("MPL-04")
@pytest.mark.parametrize(
    "mode", [Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE], ids=lambda mode: mode.name.lower()
)
def test_huge_pages_go_round_too(
    nodes: dict[str, int], knob: KnobSetter, faulted: Faulted, mode: Mode
) -> None:
    weights = {nodes["D"]: 1, nodes["P"]: 1}
    set_weights(knob, weights)
    assert_shares(faulted(mode, list(weights), 4 * HUGE, thp=True), weights)


@requirement("MPL-04")
@pytest.mark.parametrize(
    "weights", [{"D": 3, "P": 1}, {"D": 1, "P": 4}, {"D": 5, "P": 3, "Q": 1, "E": 1}],
    ids=lambda weights: "".join(f"{letter}{weight}" for letter, weight in weights.items()),
)  # fmt: skip
def test_weights_decide_the_ratio(
    nodes: dict[str, int], knob: KnobSetter, faulted: Faulted, weights: dict[str, int]
) -> None:
    by_node = {nodes[letter]: weight for letter, weight in weights.items()}
    set_weights(knob, by_node)
    assert_shares(faulted(Mode.WEIGHTED_INTERLEAVE, list(by_node), MANY), by_node)

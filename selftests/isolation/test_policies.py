# SPDX-License-Identifier: GPL-2.0-only
"""ISO-23: policies that name every node of has_memory, or none. P is closed, so has_memory has not got it."""

from collections.abc import Callable, Collection

import pytest

from fixtures.knobs import KnobSetter
from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from helpers.constants import Mode
from helpers.nodes import Node, node_list
from helpers.observed import landed
from helpers.residency import Residency, residency
from selftests.isolation.world import assert_spilled, assert_untouched

PAGES = 1200  # a multiple of the weights tried
WEIGHT = "/sys/kernel/mm/mempolicy/weighted_interleave/node{}"
#: `place(mode, nodes)`: where pages of fresh memory under that policy are.
Place = Callable[[Mode, Collection[int]], Residency]


@pytest.fixture(params=["vma", "task"])
def place(request: pytest.FixtureRequest, anon: AnonFactory, policy: Callable[..., None]) -> Place:
    """The policy is one of the memory, or one of the task."""

    def touched(mode: Mode, nodes: Collection[int]) -> Residency:
        memory = anon(PAGES)
        by = "mbind" if request.param == "vma" else "set_mempolicy"
        if by == "mbind":
            memory.bind(mode, nodes)
        else:
            policy(mode, nodes)
        memory.touch()
        policy(Mode.DEFAULT)
        return landed(residency(memory), mode.name, nodes, by=by)

    return touched


@requirement("ISO-23")
def test_interleave_over_all_nodes_with_memory(
    closed_node: PrivateNode, place: Place, ordinary_nodes: list[Node]
) -> None:
    named = node_list("has_memory")
    assert named == {node.nid for node in ordinary_nodes}, f"has_memory is {named}"
    found = place(Mode.INTERLEAVE, named)
    share = PAGES // len(named)
    assert all(abs(found.counts[nid] - share) <= 1 for nid in named), f"not even: {found}"
    assert set(found.counts) == named, f"{found}"
    assert_untouched(closed_node)


@requirement("ISO-23")
def test_weighted_interleave_over_all_nodes_with_memory(
    closed_node: PrivateNode, place: Place, ordinary_nodes: list[Node], knob: KnobSetter
) -> None:
    weights = {node.nid: index + 1 for index, node in enumerate(ordinary_nodes)}
    for nid, weight in weights.items():
        knob(WEIGHT.format(nid), weight)
    found = place(Mode.WEIGHTED_INTERLEAVE, node_list("has_memory"))
    for nid, weight in weights.items():
        share = PAGES * weight // sum(weights.values())
        assert abs(found.counts[nid] - share) <= weight, f"weights {weights}: {found}"
    assert set(found.counts) == set(weights), f"weights {weights}: {found}"
    assert_untouched(closed_node)


@requirement("ISO-23")
@pytest.mark.parametrize("mode", [Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE], ids=["even", "weighted"])
@pytest.mark.usefixtures("short_of_memory")
def test_interleave_with_a_full_node(
    closed_node: PrivateNode, place: Place, ordinary_nodes: list[Node], mode: Mode
) -> None:
    """What the full node should have had falls back along its list."""
    found = place(mode, node_list("has_memory"))
    assert found.present == PAGES, f"{found}"
    assert_spilled(found, closed_node, ordinary_nodes, f"{mode.name} with {ordinary_nodes[0]} full")


@requirement("ISO-23")
@pytest.mark.local
def test_local(closed_node: PrivateNode, place: Place, ordinary_node: Node) -> None:
    found = place(Mode.LOCAL, ())
    assert found.all_on(ordinary_node.nid), f"not on the CPU's node: {found}"
    assert_untouched(closed_node)


@requirement("ISO-23")
@pytest.mark.local
@pytest.mark.core
@pytest.mark.usefixtures("short_of_memory")
def test_local_with_the_local_node_full(
    closed_node: PrivateNode, place: Place, ordinary_nodes: list[Node]
) -> None:
    assert_spilled(place(Mode.LOCAL, ()), closed_node, ordinary_nodes, "MPOL_LOCAL")


@requirement("ISO-23")
@pytest.mark.usefixtures("short_of_memory")
def test_preferring_a_full_node(closed_node: PrivateNode, place: Place, ordinary_nodes: list[Node]) -> None:
    for mode in (Mode.PREFERRED, Mode.PREFERRED_MANY):
        found = place(mode, [ordinary_nodes[0].nid])
        assert_spilled(found, closed_node, ordinary_nodes, mode.name)

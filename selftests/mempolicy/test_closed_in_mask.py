# SPDX-License-Identifier: GPL-2.0-only
"""MPL-06: one closed private node spoils a mask."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_F_ADDR, MPOL_F_STATIC_NODES, MPOL_MF_MOVE, Mode, mode_name
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.testmod import Ops, TestModule
from selftests.mempolicy.placing import PAGES, task_policy
from selftests.oracle import located, placed

MODES = (
    Mode.PREFERRED,
    Mode.BIND,
    Mode.INTERLEAVE,
    Mode.PREFERRED_MANY,
    Mode.WEIGHTED_INTERLEAVE,
    Mode.BIND | MPOL_F_STATIC_NODES,
    Mode.PREFERRED | MPOL_F_STATIC_NODES,
)
CLOSED = [
    pytest.param(None, id="no_ops"),
    pytest.param(Ops.NONE, id="no_flags"),
    pytest.param(Ops.MIGRATION, id="migration"),
]


@pytest.fixture(params=CLOSED)
def closed(
    request: pytest.FixtureRequest, second_open_node: OpenNode, second_closed_node: PrivateNode
) -> PrivateNode:
    """Q, closed to policies in each of the ways there are."""
    return second_closed_node if request.param is None else second_open_node(request.param)


def with_closed(closed: int, others: tuple[int, ...]) -> list[list[int]]:
    """Masks with the closed node: alone, with each other node, with all."""
    return [[closed], *([nid, closed] for nid in others), [*others, closed]]


def spoilt(masks: list[list[int]], result: str) -> dict[tuple[str, str], str]:
    """Every mode with every mask, and what it has to come to."""
    return {(mode_name(mode), str(mask)): result for mode in MODES for mask in masks}


@requirement("MPL-06")
@core
def test_mbind_refuses_the_whole_mask(
    p: PrivateNode, closed: PrivateNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory
) -> None:
    memory = placed(anon(PAGES), ordinary_node.nid)
    memory.bind(Mode.PREFERRED, [ordinary_node.nid])
    before = syscalls.get_mempolicy(memory.addr, MPOL_F_ADDR)
    frames = located(mod, memory).frames
    masks = with_closed(closed.nid, (ordinary_node.nid, p.nid))
    found = {
        (mode_name(mode), str(mask)): outcome(memory.bind, mode, mask, MPOL_MF_MOVE)
        for mode in MODES
        for mask in masks
    }
    assert found == spoilt(masks, "EINVAL"), f"with {closed} in the mask"
    assert syscalls.get_mempolicy(memory.addr, MPOL_F_ADDR) == before, "the old policy is gone"
    assert located(mod, memory).frames == frames, "pages moved"
    memory.verify()


@requirement("MPL-06")
@core
def test_set_mempolicy_refuses_the_whole_mask(
    p: PrivateNode, closed: PrivateNode, ordinary_node: Node, child: ChildFactory
) -> None:
    masks = with_closed(closed.nid, (ordinary_node.nid, p.nid))

    def attempts() -> tuple[dict[tuple[str, str], str], object, object]:
        with task_policy(Mode.PREFERRED, [ordinary_node.nid]):
            before = syscalls.get_mempolicy()
            found = {
                (mode_name(mode), str(mask)): outcome(syscalls.set_mempolicy, mode, mask)
                for mode in MODES
                for mask in masks
            }
            return found, before, syscalls.get_mempolicy()

    found, before, after = child(attempts)
    assert found == spoilt(masks, "EINVAL"), f"with {closed} in the mask"
    assert after == before, "the old policy is gone"


@requirement("MPL-06")
@core
def test_the_same_masks_without_it_are_taken(
    p: PrivateNode, closed: PrivateNode, ordinary_node: Node, anon: AnonFactory, child: ChildFactory
) -> None:
    memory = anon(PAGES)
    masks = [[p.nid], [ordinary_node.nid], [ordinary_node.nid, p.nid]]

    def attempts() -> dict[tuple[str, str], str]:
        found = {}
        for mode in MODES:
            for mask in masks:
                by_range = outcome(memory.bind, mode, mask)
                by_task = outcome(syscalls.set_mempolicy, mode, mask)
                syscalls.set_mempolicy(Mode.DEFAULT)
                found[mode_name(mode), str(mask)] = (
                    OK if by_range == by_task == OK else f"{by_range}, {by_task}"
                )
        return found

    assert child(attempts) == spoilt(masks, OK), f"(mbind, set_mempolicy) with {closed} about"

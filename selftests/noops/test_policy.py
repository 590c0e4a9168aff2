# SPDX-License-Identifier: GPL-2.0-only
"""NOP-01 and NOP-02: a policy that names the closed P is refused as a whole."""

from collections.abc import Callable

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import (
    MADV_POPULATE_WRITE,
    MPOL_F_ADDR,
    MPOL_MF_MOVE,
    MPOL_MF_MOVE_ALL,
    MPOL_MF_STRICT,
    Mode,
    ModeFlag,
)
from helpers.memory import Mapping
from helpers.nodemask import NodeMask
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import TestModule
from selftests.isolation.world import take_all
from selftests.noops.pages import PAGES, OnNode

#: The modes that take nodes.
MODES = (Mode.BIND, Mode.PREFERRED, Mode.PREFERRED_MANY, Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE)
by_name = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.lower().replace("_", "-"))


def masks(private: PrivateNode, ordinary: list[Node]) -> list[list[int]]:
    """P alone, and beside one or all ordinary nodes."""
    nids = [node.nid for node in ordinary]
    return [[private.nid], [private.nid, nids[0]], [private.nid, *nids]]


@requirement("NOP-01")
@by_name
@pytest.mark.core
def test_mbind_is_refused(
    provisioned_closed_node: PrivateNode, anon: AnonFactory, ordinary_nodes: list[Node], mode: Mode
) -> None:
    memory = anon(8)
    before = (Mode.BIND, NodeMask.of(ordinary_nodes[-1].nid))
    memory.bind(*before)
    for mask in masks(provisioned_closed_node, ordinary_nodes):
        for flag in (0, ModeFlag.STATIC_NODES):
            assert outcome(memory.bind, mode | flag, mask) == "EINVAL", f"mbind, mask {mask}, flag {flag}"
            assert syscalls.get_mempolicy(memory.addr, MPOL_F_ADDR) == before, f"after mask {mask}"
    memory.touch()
    assert residency(memory).all_on(ordinary_nodes[-1].nid), f"{residency(memory)}"
    assert outcome(memory.bind, mode, [ordinary_nodes[0].nid]) == OK, "the control: a mask without P"


@requirement("NOP-01")
@by_name
def test_set_mempolicy_is_refused(
    provisioned_closed_node: PrivateNode, policy: Callable[..., None], ordinary_nodes: list[Node], mode: Mode
) -> None:
    before = (Mode.PREFERRED, NodeMask.of(ordinary_nodes[0].nid))
    policy(*before)
    for mask in masks(provisioned_closed_node, ordinary_nodes):
        for flag in (0, ModeFlag.STATIC_NODES):
            assert outcome(policy, mode | flag, mask) == "EINVAL", f"mask {mask}, flag {flag}"
            assert syscalls.get_mempolicy() == before, f"after mask {mask}"
    assert outcome(policy, mode, [ordinary_nodes[0].nid]) == OK, "the control: a mask without P"


@requirement("NOP-01")
@pytest.mark.parametrize(
    "flags",
    [MPOL_MF_MOVE, MPOL_MF_MOVE_ALL, MPOL_MF_MOVE | MPOL_MF_STRICT],
    ids=["move", "move-all", "move-strict"],
)
def test_mbind_with_move_moves_nothing(
    provisioned_closed_node: PrivateNode, anon_on: OnNode, ordinary_nodes: list[Node], flags: int
) -> None:
    near, far = ordinary_nodes[0].nid, ordinary_nodes[-1].nid
    memory = anon_on(near)
    for mask in masks(provisioned_closed_node, ordinary_nodes):
        assert outcome(memory.bind, Mode.BIND, mask, flags) == "EINVAL", f"mask {mask}"
        assert residency(memory).all_on(near), f"mask {mask}: {residency(memory)}"
    memory.bind(Mode.BIND, [far], flags)
    assert residency(memory).all_on(far), f"the control, to node {far}: {residency(memory)}"


@requirement("NOP-01")
def test_memory_of_the_device_takes_no_policy_on_p(
    provisioned_closed_node: PrivateNode, device_pages: Mapping, ordinary_node: Node
) -> None:
    """Having pages there already gives no right to name the node."""
    for mode in MODES:
        assert outcome(device_pages.bind, mode, [provisioned_closed_node.nid]) == "EINVAL", mode.name
    device_pages.verify()
    assert residency(device_pages).all_on(provisioned_closed_node.nid)


@requirement("NOP-01")
def test_second_closed_node_spoils_a_mask_as_well(
    provisioned_closed_node: PrivateNode,
    second_closed_node: PrivateNode,
    anon: AnonFactory,
    ordinary_node: Node,
) -> None:
    memory = anon(8)
    for mask in (
        [second_closed_node.nid],
        [provisioned_closed_node.nid, second_closed_node.nid, ordinary_node.nid],
    ):
        for mode in MODES:
            assert outcome(memory.bind, mode, mask) == "EINVAL", f"{mode.name}, mask {mask}"


@requirement("NOP-02")
@pytest.mark.parametrize("mode", [Mode.BIND, Mode.PREFERRED_MANY], ids=["bind", "preferred-many"])
def test_home_node_places_nothing(
    provisioned_closed_node: PrivateNode, anon: AnonFactory, ordinary_nodes: list[Node], mode: Mode
) -> None:
    """Whether the call is accepted or not, pages are on the nodes of the policy."""
    nids = [node.nid for node in ordinary_nodes]
    memory, control = anon(PAGES), anon(PAGES)
    for one, home in ((memory, provisioned_closed_node.nid), (control, nids[-1])):
        one.bind(mode, nids)
        result = outcome(syscalls.set_mempolicy_home_node, one.addr, one.nbytes, home)
        one.touch()
        found = residency(one)
        assert set(found.counts) <= set(nids), f"home node {home} ({result}): {found}"
    assert residency(control).all_on(nids[-1]), f"the control, home node {nids[-1]}: {residency(control)}"


@requirement("NOP-02")
@pytest.mark.usefixtures("second_ordinary_node")
@pytest.mark.disruptive
def test_home_node_is_no_way_out_of_a_full_node(
    provisioned_closed_node: PrivateNode, anon: AnonFactory, mod: TestModule, ordinary_nodes: list[Node]
) -> None:
    """PREFERRED_MANY goes on beyond its nodes, starting at the home node: not if that is P."""
    near, far = ordinary_nodes[0].nid, ordinary_nodes[-1].nid
    beyond = {node.nid for node in ordinary_nodes} - {near}
    memory, control = anon(4096), anon(4096)
    results = []
    for one, home in ((memory, provisioned_closed_node.nid), (control, far)):
        one.bind(Mode.PREFERRED_MANY, [near])
        results.append(outcome(syscalls.set_mempolicy_home_node, one.addr, one.nbytes, home))
    for one in (memory, control):
        # Each time: whoever comes second finds what kswapd freed for the first.
        take_all(mod, ordinary_nodes[0])
        one.advise(MADV_POPULATE_WRITE)
    found = set(residency(memory).counts)
    assert found <= {near, *beyond}, f"home P ({results[0]}): {residency(memory)}"
    assert found & beyond, f"no pressure: {residency(memory)}"
    assert residency(control).any_on(far), f"the control, home {far} ({results[1]}): {residency(control)}"

# SPDX-License-Identifier: GPL-2.0-only
"""MPL and MIG: what a driver has opened works, and what it has not stays shut."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.private import PrivateNode
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, Mode
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.testmod import TestModule
from selftests.oracle import located, placed

PAGES = 16
MODES = (Mode.BIND, Mode.PREFERRED, Mode.PREFERRED_MANY, Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE)


@requirement("MPL-06", "NOP-01")
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.lower().replace("_", "-"))
def test_a_closed_node_is_refused_in_any_mask(
    provisioned_closed_node: PrivateNode, ordinary_node: Node, anon: AnonFactory, mode: Mode
) -> None:
    memory = anon(1)
    for mask in ([provisioned_closed_node.nid], [provisioned_closed_node.nid, ordinary_node.nid]):
        assert outcome(memory.bind, mode, mask) == "EINVAL", f"mask {mask}"
    assert outcome(memory.bind, mode, [ordinary_node.nid]) == OK, "the control: a mask without it"


@requirement("MPL-01")
def test_bound_memory_is_on_it(
    provisioned_policy_node: PrivateNode, mod: TestModule, anon: AnonFactory
) -> None:
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [provisioned_policy_node.nid])
    assert memory.zeroed()
    memory.touch()
    assert located(mod, memory).all_on(provisioned_policy_node.nid), f"{located(mod, memory)}"
    memory.verify()


@requirement("MPL-09")
def test_mbind_moves_what_is_elsewhere(
    provisioned_policy_node: PrivateNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory
) -> None:
    memory = placed(anon(PAGES), ordinary_node.nid)
    memory.bind(Mode.BIND, [provisioned_policy_node.nid], flags=MPOL_MF_MOVE)
    assert located(mod, memory).all_on(provisioned_policy_node.nid), f"{located(mod, memory)}"
    memory.verify()


@requirement("MIG-01", "MIG-02")
def test_pages_move_there_and_back(
    provisioned_policy_node: PrivateNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory
) -> None:
    memory = placed(anon(PAGES), ordinary_node.nid)
    for nid in (provisioned_policy_node.nid, ordinary_node.nid):
        assert syscalls.move_pages(0, memory.addrs(), [nid] * PAGES, MPOL_MF_MOVE) == [nid] * PAGES
        assert located(mod, memory).all_on(nid), f"{located(mod, memory)}"
        assert syscalls.move_pages(0, memory.addrs(), None) == [nid] * PAGES, "asked where they are"
        memory.verify()


@requirement("MIG-03", "NOP-03")
def test_nothing_moves_to_a_closed_node(
    provisioned_closed_node: PrivateNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory
) -> None:
    memory = placed(anon(PAGES), ordinary_node.nid)
    target = [provisioned_closed_node.nid] * PAGES
    result = outcome(syscalls.move_pages, 0, memory.addrs(), target, MPOL_MF_MOVE)
    assert result == "ENODEV"
    assert located(mod, memory).all_on(ordinary_node.nid), f"{located(mod, memory)}"
    memory.verify()

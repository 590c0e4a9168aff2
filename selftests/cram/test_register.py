# SPDX-License-Identifier: GPL-2.0-only
"""CRM-01, CRM-01a, CRM-02, CRM-12: what registration asks for, and what it opens."""

import pytest

from fixtures.nodes import PrivateRange
from fixtures.requirement import requirement
from fixtures.tiers import LowerNode
from helpers import syscalls
from helpers.constants import Mode
from helpers.memory import Mapping
from helpers.nodes import Node, kernel_thread_names
from helpers.outcome import OK, outcome
from helpers.testmod import NodeFlags, Ops, Owner
from helpers.wait import wait_until
from selftests.cram.arrival import MakeCram
from selftests.services.targets import Told

OPENED = Ops.MIGRATION | Ops.DEMOTION | Ops.NUMA_BALANCING | Ops.PROTECT_WRITE | Ops.RECLAIM
#: Seconds until a thread that was stopped has left the process table.
ENDED = 3.0


@requirement("CRM-01")
def test_not_a_private_node(unplugged: PrivateRange, ordinary_node: Node) -> None:
    for nid in (ordinary_node.nid, unplugged.nid, -1, 1 << 20):
        assert outcome(unplugged.mod.cram_register, nid, Owner.NULL) == "EINVAL", f"node {nid}"


@requirement("CRM-01")
def test_owners(cram: MakeCram) -> None:
    node = cram()
    found = {owner.name: outcome(node.mod.cram_register, node.nid, owner) for owner in Owner}
    assert found == {"NODE": OK, "NULL": "EBUSY", "STRANGER": "EBUSY"}, f"{node}"
    assert node.state().ops_flags == OPENED, f"{node}: a refusal changed the ops"


@requirement("CRM-01a")
def test_what_it_opens(lower_node: LowerNode, ordinary_nodes: list[Node]) -> None:
    """And closes again: registered, unregistered, and the same once more."""
    node, everywhere = lower_node(), {one.nid for one in ordinary_nodes}
    with Told() as told:
        for _ in range(2):
            node.mod.cram_register(node.nid)
            assert node.state().ops_flags == OPENED, f"{node}: {Ops(node.state().ops_flags)!r}"
            assert told.sources_of(node.nid) == everywhere, f"{node} as a demotion target"
            node.mod.cram_unregister(node.nid)
            assert node.state().ops_flags == 0, f"{node}: {Ops(node.state().ops_flags)!r}"
            assert told.sources_of(node.nid) == set(), f"{node} as a demotion target"


@requirement("CRM-02")
def test_kswapd(lower_node: LowerNode) -> None:
    node = lower_node()
    seen = []
    for step in (lambda _nid: None, node.mod.cram_register, node.mod.cram_unregister):
        step(node.nid)
        there = bool(node.state().flags & NodeFlags.KSWAPD)
        # A thread that was stopped is in the process table until it has been reaped.
        wait_until(
            lambda there=there: (f"kswapd{node.nid}" in kernel_thread_names()) is there,
            ENDED, f"the process table to have kswapd{node.nid}: {there}",
        )  # fmt: skip
        seen.append(there)
    assert seen == [False, True, False], "kswapd before, with and after the registration"


def of_task(mode: Mode, nodes: list[int]) -> str:
    """What comes of set_mempolicy(), which is undone."""
    try:
        return outcome(syscalls.set_mempolicy, mode, nodes)
    finally:
        syscalls.set_mempolicy(Mode.DEFAULT)


@requirement("CRM-12")
@pytest.mark.parametrize("mode", [mode for mode in Mode if mode not in (Mode.DEFAULT, Mode.LOCAL)])
def test_no_policy_names_it(cram: MakeCram, ordinary_node: Node, mode: Mode) -> None:
    node = cram()
    with Mapping.anonymous(1) as memory:
        for nodes in ([node.nid], [ordinary_node.nid, node.nid]):
            found = outcome(memory.bind, mode, nodes), of_task(mode, nodes)
            assert found == ("EINVAL", "EINVAL"), f"{nodes} by mbind and by set_mempolicy"
        memory.bind(mode, [ordinary_node.nid])

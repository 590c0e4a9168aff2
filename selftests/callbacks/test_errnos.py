# SPDX-License-Identifier: GPL-2.0-only
"""CBK-02: what set_ops and clear_ops refuse, and that a cleared node is closed."""

from collections.abc import Callable

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode, PrivateRange
from fixtures.requirement import requirement
from fixtures.selection import core
from fixtures.settling import drain
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, Mode
from helpers.memory import Mapping
from helpers.nodes import Node, node_list
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import Callback, Callbacks, NodeFlags, Object, Ops, TestModule
from selftests.oracle import placed

OPEN = Ops.MIGRATION | Ops.MEMPOLICY | Ops.LONGTERM_PIN
PAGES = 8
ABSURD = (-1, -(1 << 31), (1 << 31) - 1, 1 << 16)
VARIANTS = (0, 1, 2, 3)


@requirement("CBK-02")
@core
def test_no_ops(closed_node: PrivateNode, open_node: OpenNode, mod: TestModule) -> None:
    assert outcome(mod.set_ops, closed_node.nid, 0, 0, Object.NULL) == "EINVAL"
    node = open_node(OPEN)
    for call in (
        lambda: mod.set_ops(node.nid, 0, 0, Object.NULL),
        lambda: mod.clear_ops(node.nid, Object.NULL),
    ):
        assert outcome(call) == "EINVAL"
        assert node.state().ops_flags == OPEN, "a refused call changed the flags"


@requirement("CBK-02")
@core
@pytest.mark.parametrize("nid", [*ABSURD, "beyond"])
def test_impossible_node(mod: TestModule, nid: int | str) -> None:
    number = mod.handshake.nr_node_ids if isinstance(nid, str) else nid
    assert outcome(mod.set_ops, number, Ops.NONE) == "EINVAL"
    assert outcome(mod.clear_ops, number) == "EINVAL"


@requirement("CBK-02")
@core
def test_node_without_a_registration(
    unplugged: PrivateRange, ordinary_nodes: list[Node], mod: TestModule
) -> None:
    for nid in (unplugged.nid, *(node.nid for node in ordinary_nodes)):
        assert outcome(mod.set_ops, nid, Ops.NONE) == "ENODEV", f"node {nid}"
        assert outcome(mod.set_ops, nid, Ops.MIGRATION) == "ENODEV", f"node {nid}"
        assert outcome(mod.clear_ops, nid) == "ENODEV", f"node {nid}"
        assert not mod.node_state(nid).ops_flags


@requirement("CBK-02")
def test_node_that_was_unplugged(unplugged: PrivateRange, mod: TestModule) -> None:
    unplugged.plug(ops=OPEN).unplug()
    assert outcome(mod.clear_ops, unplugged.nid) == "ENODEV"
    assert outcome(mod.set_ops, unplugged.nid, OPEN) == "ENODEV"


@requirement("CBK-02")
@core
def test_registered_is_enough(unplugged: PrivateRange, testmod: TestModule) -> None:
    testmod.register(unplugged.nid, Object.NODE)
    assert outcome(testmod.set_ops, unplugged.nid, OPEN) == OK
    assert testmod.node_state(unplugged.nid).ops_flags == OPEN
    assert outcome(testmod.clear_ops, unplugged.nid) == OK
    assert testmod.node_state(unplugged.nid).ops_flags == 0
    testmod.unregister(unplugged.nid)


@requirement("CBK-02")
@core
@pytest.mark.parametrize("flags", [Ops.NONE, OPEN], ids=["equal_flags", "services"])
def test_only_the_ops_that_are_set_can_be_cleared(
    closed_node: PrivateNode, mod: TestModule, flags: Ops
) -> None:
    closed_node.set_ops(flags, obj=0)
    for other in (1, 2, 3, Object.NODE):
        assert outcome(mod.clear_ops, closed_node.nid, other) == "EINVAL", f"ops {other}, 0 is set"
        assert closed_node.state().ops_flags == flags
        assert NodeFlags.HAS_OPS in closed_node.state().flags
    closed_node.clear_ops(obj=0)
    assert closed_node.state().ops_flags == 0


@requirement("CBK-02")
def test_replaced_ops_are_other_ops(closed_node: PrivateNode, mod: TestModule) -> None:
    for variant in VARIANTS:
        closed_node.set_ops(OPEN, obj=variant)
    for variant in VARIANTS[:-1]:
        assert outcome(mod.clear_ops, closed_node.nid, variant) == "EINVAL", f"ops {variant} were replaced"
    assert closed_node.state().ops_flags == OPEN
    closed_node.clear_ops(obj=VARIANTS[-1])


def used(memory: Mapping, nid: int, mod: TestModule) -> dict[str, str]:
    """What the services of the node say, to a task with a page there by `memory`."""
    spare = Mapping.anonymous(1)
    with spare:
        spare.touch()
        pin = outcome(lambda: mod.unpin(mod.pin(memory.addr, 1, longterm=True)))
        there = outcome(syscalls.move_pages, 0, [spare.addr], [nid], MPOL_MF_MOVE)
        return {
            "longterm pin": pin,
            "mbind": outcome(spare.bind, Mode.BIND, [nid]),
            "move there": there,
            "query": "ENOENT" if syscalls.move_pages(0, [memory.addr], None)[0] < 0 else OK,
            "has_memory": OK if nid in node_list("has_memory") else "absent",
        }


@requirement("CBK-02")
@core
@pytest.mark.parametrize("how", ["clear", "set_none", "other_ops"])
def test_services_stop_with_the_ops(
    open_node: OpenNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory, how: str
) -> None:
    node = open_node(OPEN)
    memory = placed(anon(PAGES), ordinary_node.nid)
    syscalls.move_pages(0, memory.addrs(), [node.nid] * PAGES, MPOL_MF_MOVE)
    assert set(used(memory, node.nid, mod).values()) == {OK}, "the control: open"
    stops: dict[str, Callable[[], None]] = {
        "clear": node.clear_ops,
        "set_none": lambda: node.set_ops(Ops.NONE),
        "other_ops": lambda: node.set_ops(Ops.RECLAIM, obj=2),
    }
    stops[how]()
    assert used(memory, node.nid, mod) == {
        "longterm pin": "ENOMEM",
        "mbind": "EINVAL",
        "move there": "ENODEV",
        "query": "ENOENT",
        "has_memory": "absent",
    }
    assert residency(memory).all_on(node.nid), "closing moved the pages that are there"
    memory.verify()


@requirement("CBK-02")
@core
def test_callbacks_stop_with_the_ops(open_node: OpenNode, anon: AnonFactory) -> None:
    node = open_node(OPEN, callbacks=Callbacks.ALL)
    first, second = anon(PAGES), anon(PAGES)
    for memory in (first, second):
        memory.bind(Mode.BIND, [node.nid])
        memory.touch()
    first.close()
    drain()
    assert node.counters().calls[Callback.FREE_FOLIO] == PAGES, "the control: with the ops"
    node.clear_ops()
    node.reset_counters()
    second.close()
    assert not node.counters().calls, f"{node.counters().calls} after the clear"

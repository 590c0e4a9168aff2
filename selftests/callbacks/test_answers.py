# SPDX-License-Identifier: GPL-2.0-only
"""CBK-12 and CBK-13: what the kernel tells a driver that asks about a node or a page."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode, PrivateRange
from fixtures.private import callbacks_for
from fixtures.requirement import requirement
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.testmod import NP_OPS_MASK, Kind, Ops, PageFlags, TestModule
from selftests.callbacks.legal import flag_sets, legal
from selftests.filters.kinds import KINDS, OPEN

TWO = PageFlags.PRIVATE_NODE | PageFlags.PRIVATE_PAGE


def answers(mod: TestModule, nid: int) -> tuple[Ops, Ops]:
    """node_private_flags(), and the flags that node_private_has_flag() says are there."""
    state = mod.node_state(nid)
    return Ops(state.ops_flags), Ops(state.has_flags)


@requirement("CBK-12")
def test_flags_are_those_that_were_set(closed_node: PrivateNode) -> None:
    node = closed_node
    assert answers(node.mod, node.nid) == (Ops.NONE, Ops.NONE), "closed"
    every = [Ops(flags) for flags in flag_sets() if legal(flags, callbacks_for(Ops(flags)))]
    assert len(every) > 30, f"{len(every)} legal sets of flags"
    for flags in every:
        node.set_ops(flags)
        assert answers(node.mod, node.nid) == (flags, flags), f"{flags!r} is set"
    node.clear_ops()
    assert answers(node.mod, node.nid) == (Ops.NONE, Ops.NONE), "closed again"


@requirement("CBK-12")
def test_of_other_nodes_there_are_none(
    open_node: OpenNode, second_unplugged: PrivateRange, ordinary_nodes: list[Node]
) -> None:
    """Ordinary nodes, a node without memory, one that is only registered; beside one that is wide open."""
    node = open_node(NP_OPS_MASK & ~Ops.PROTECT_WRITE)
    mod, absent = node.mod, second_unplugged.nid
    nothing = (Ops.NONE, Ops.NONE)
    found = {one.nid: answers(mod, one.nid) for one in ordinary_nodes}
    assert found == dict.fromkeys(found, nothing), "ordinary nodes"
    assert answers(mod, absent) == nothing, "a node without memory"
    mod.register(absent)
    assert answers(mod, absent) == nothing, "registered without ops"
    mod.set_ops(absent, Ops.RECLAIM, 0)
    assert answers(mod, absent) == (Ops.RECLAIM, Ops.RECLAIM), "registered with ops, and no memory yet"
    mod.unregister(absent)
    assert answers(mod, absent) == nothing, "not registered any more"
    assert answers(mod, node.nid)[0] == NP_OPS_MASK & ~Ops.PROTECT_WRITE, "the control"


@requirement("CBK-12")
def test_memory_that_goes_and_comes(unplugged: PrivateRange) -> None:
    mod, nid = unplugged.mod, unplugged.nid
    unplugged.plug(ops=OPEN).unplug()
    assert answers(mod, nid) == (Ops.NONE, Ops.NONE), "the ops outlived the memory"
    unplugged.plug()
    assert answers(mod, nid) == (Ops.NONE, Ops.NONE), "replugged without ops"


def told(mod: TestModule, memory: Mapping) -> list[PageFlags]:
    """What folio_is_private_node() and page_is_private_node() say of each page."""
    return [page.flags & TWO for page in mod.pages(memory.addr, memory.pages)]


@requirement("CBK-13")
@pytest.mark.parametrize("kind", ["base", "huge"])
def test_every_page_of_the_node(
    open_node: OpenNode, anon: AnonFactory, ordinary_node: Node, kind: str
) -> None:
    """Also the later pages of a huge page, and also once the node is closed; no page of D."""
    node = open_node(OPEN)
    memory, control = anon(**KINDS[kind]), anon(**KINDS[kind])
    for one, nid in ((memory, node.nid), (control, ordinary_node.nid)):
        one.bind(Mode.BIND, [nid])
        one.touch()
    for what in ("open", "closed"):
        assert told(node.mod, memory) == [TWO] * memory.pages, f"{what}, on P"
        assert told(node.mod, control) == [PageFlags.NONE] * control.pages, f"{what}, on D"
        if node.flags is not None:
            node.clear_ops()


@requirement("CBK-13")
def test_pages_of_the_device(closed_node: PrivateNode, mod: TestModule, device_memory: AnonFactory) -> None:
    """On no LRU list and of no task's own: pages of P all the same; a private copy is not."""
    mod.device(closed_node.nid, 8 * PAGE_SIZE)
    shared, private = device_memory(8), device_memory(8, shared=False)
    shared.touch()
    private.verify()
    assert told(mod, shared) == told(mod, private) == [TWO] * 8
    private.touch(2, first=3, count=2)
    assert told(mod, private) == [TWO] * 3 + [PageFlags.NONE] * 2 + [TWO] * 3


@requirement("CBK-13")
def test_the_same_frames_as_ordinary_memory(unplugged: PrivateRange, anon: AnonFactory) -> None:
    """What was private once is not for ever."""
    unplugged.plug(ops=OPEN).unplug()
    node = unplugged.plug_ordinary()
    assert node.kind is Kind.ORDINARY
    memory = anon(64)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    assert told(node.mod, memory) == [PageFlags.NONE] * 64
    assert answers(node.mod, node.nid) == (Ops.NONE, Ops.NONE)
    memory.close()

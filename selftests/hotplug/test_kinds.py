# SPDX-License-Identifier: GPL-2.0-only
"""HPL-10: one range, private and ordinary by turns."""

import pytest

from fixtures.nodes import PrivateNode, PrivateRange
from fixtures.requirement import requirement
from fixtures.selection import core
from fixtures.testmod import AllocFactory
from helpers.memory import PAGE_SIZE
from helpers.nodes import Node, node_list
from helpers.outcome import OK, outcome
from helpers.testmod import Entry, OnlineType, Ops, TestModule, ZoneList
from selftests.hotplug.standing import BARE, ORDINARY, PRIVATE, snapshot, standing

OPEN = Ops.MIGRATION | Ops.MEMPOLICY
ZONES = pytest.mark.parametrize("online", [OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])


def listed_by(mod: TestModule, nid: int, ordinary: list[Node]) -> set[int]:
    """Ordinary nodes whose fallback list leads to this one."""
    return {
        node.nid for node in ordinary if nid in {ref.nid for ref in mod.zonelist(node.nid, ZoneList.FALLBACK)}
    }


def check_private(part: PrivateNode, mod: TestModule, alloc: AllocFactory, ordinary: list[Node]) -> None:
    """Closed, and out of everybody's way."""
    gfp = mod.gfp.HIGHUSER_MOVABLE
    assert standing(mod, part.nid) == PRIVATE
    assert part.state().ops_flags == 0, "services of an earlier life"
    assert part.node.kernel_threads() == set()
    assert listed_by(mod, part.nid, ordinary) == set()
    assert {ref.nid for ref in mod.zonelist(part.nid, ZoneList.NOFALLBACK)} == {part.nid}
    assert alloc(Entry.ALLOC_PAGES_NODE, part, gfp=gfp | mod.gfp.THISNODE) is None
    taken = alloc(Entry.ALLOC_PAGES_NODE, part, gfp=gfp | mod.gfp.GFP_PRIVATE)
    assert taken is not None
    assert taken.nid == part.nid
    taken.free()


def check_ordinary(part: PrivateNode, mod: TestModule, alloc: AllocFactory, ordinary: list[Node]) -> None:
    """Memory for everybody."""
    assert standing(mod, part.nid) == ORDINARY
    assert part.node.kernel_threads() == {f"kswapd{part.nid}", f"kcompactd{part.nid}"}
    assert listed_by(mod, part.nid, ordinary) == {node.nid for node in ordinary}
    assert outcome(mod.set_ops, part.nid, Ops.NONE) == "ENODEV", "registered as if it were private"
    taken = alloc(Entry.ALLOC_PAGES_NODE, part, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.THISNODE)
    assert taken is not None
    assert taken.nid == part.nid
    taken.free()


@requirement("HPL-10")
@pytest.mark.parametrize("sequence", ["POP", "OPO", "PPOOP"])
@ZONES
def test_each_time_what_it_is_now(
    unplugged: PrivateRange,
    ordinary_nodes: list[Node],
    mod: TestModule,
    alloc: AllocFactory,
    sequence: str,
    online: OnlineType,
) -> None:
    for kind in sequence:
        if kind == "P":
            part = unplugged.plug(online=online)
            check_private(part, mod, alloc, ordinary_nodes)
            part.set_ops(OPEN)
            assert part.nid in node_list("has_memory")
        else:
            # Movable: what goes to a kernel zone unasked, such as the stack of kswapd itself, stays there.
            part = unplugged.plug_ordinary()
            check_ordinary(part, mod, alloc, ordinary_nodes)
        assert part.managed_pages() == part.size // PAGE_SIZE
        assert part.unplug() == 0
        assert standing(mod, unplugged.nid) == BARE, f"after {kind} of {sequence}"
        assert listed_by(mod, unplugged.nid, ordinary_nodes) == set()


@requirement("HPL-10")
@core
def test_private_beside_ordinary_is_refused(
    unplugged: PrivateRange, mod: TestModule, alloc: AllocFactory, ordinary_nodes: list[Node]
) -> None:
    unplugged.need(2)
    part = unplugged.plug_ordinary()
    second = (unplugged.start + unplugged.block, unplugged.block)
    assert outcome(mod.plug, unplugged.nid, *second) == "EBUSY"
    check_ordinary(part, mod, alloc, ordinary_nodes)
    part.unplug()
    check_private(unplugged.plug(), mod, alloc, ordinary_nodes)


@requirement("HPL-10")
@core
def test_ordinary_beside_private_changes_nothing(
    unplugged: PrivateRange, mod: TestModule, alloc: AllocFactory, ordinary_nodes: list[Node]
) -> None:
    """The node decides: what others add to one that is registered is as private as the rest, or refused."""
    first = unplugged.plug()
    before = snapshot(mod, first.nid)
    ended = outcome(unplugged.plug_ordinary, offset=unplugged.block)
    if ended == OK:
        assert first.managed_pages() == 2 * unplugged.block // PAGE_SIZE
    else:
        assert snapshot(mod, first.nid) == before, f"after an add that ended with {ended}"
    check_private(first, mod, alloc, ordinary_nodes)

# SPDX-License-Identifier: GPL-2.0-only
"""ISO-26: the knobs that change where memory is looked for, and in which order."""

import pytest

from fixtures.knobs import KnobSetter
from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory, where
from helpers.knobs import knob as knob_named
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Entry, TestModule, ZoneList
from selftests.isolation.world import PAGES, all_on, assert_ordinary, assert_spilled, assert_untouched

#: zone_reclaim_mode: reclaim a node's own pages first (1), by writing (2) and swapping (4) too.
SETTINGS = [
    ("vm.zone_reclaim_mode", 1),
    ("vm.zone_reclaim_mode", 7),
    ("vm.numa_zonelist_order", "Node"),
    ("vm.watermark_scale_factor", 1000),
    ("vm.lowmem_reserve_ratio", "1 1 1 1"),
]


@pytest.fixture(params=SETTINGS, ids=lambda one: f"{one[0].removeprefix('vm.')}-{str(one[1]).split()[0]}")
def turned(request: pytest.FixtureRequest, knob: KnobSetter) -> None:
    """The knob, turned for this test."""
    name, value = request.param
    if not knob_named(name).exists():
        pytest.skip("this kernel has no such knob")
    knob(name, value)


@requirement("ISO-26")
@pytest.mark.usefixtures("turned")
def test_gate_is_as_before(
    closed_node: PrivateNode, alloc: AllocFactory, ordinary_nodes: list[Node], testmod: TestModule
) -> None:
    gfp = testmod.gfp.HIGHUSER_MOVABLE
    assert_ordinary(alloc(Entry.ALLOC_PAGES_NODE, closed_node, gfp=gfp, count=PAGES), ordinary_nodes)
    taken = alloc(Entry.ALLOC_PAGES_NODE, closed_node, gfp=gfp | testmod.gfp.THISNODE, count=PAGES)
    assert taken is None, f"THISNODE: {where(taken)}"
    assert_untouched(closed_node)
    asked = alloc(Entry.ALLOC_PAGES_NODE, closed_node, gfp=gfp | testmod.gfp.GFP_PRIVATE, count=PAGES)
    assert all_on(asked, closed_node), f"with the flag: {where(asked)}"
    for node in ordinary_nodes:
        listed = {ref.nid for ref in testmod.zonelist(node.nid, ZoneList.FALLBACK)}
        assert closed_node.nid not in listed, f"the fallback list of {node} is {listed}"


@requirement("ISO-26")
@pytest.mark.usefixtures("turned")
def test_full_node_is_as_before(
    closed_node: PrivateNode, anon: AnonFactory, short_of_memory: Node, ordinary_nodes: list[Node]
) -> None:
    memory = anon(1024)
    memory.touch()
    assert_spilled(residency(memory), closed_node, ordinary_nodes, f"beside the full {short_of_memory}")

# SPDX-License-Identifier: GPL-2.0-only
"""CXL-07: two devices, two private nodes P and Q, and nothing of one on the other."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode, unchanged_free_pages
from fixtures.requirement import requirement
from fixtures.selection import topology
from fixtures.testmod import AllocFactory, where
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, Mode
from helpers.memory import PAGE_SIZE
from helpers.nodes import has_private_memory
from helpers.residency import residency
from helpers.testmod import Entry, Ops, TestModule
from selftests.cxl.region import inside, of_node

pytestmark = topology("cxl-pair")
OPEN = Ops.MIGRATION | Ops.MEMPOLICY
PAGES = 16


@requirement("CXL-07")
def test_each_device_has_its_own_node_and_range(
    closed_node: PrivateNode, second_closed_node: PrivateNode
) -> None:
    first, second = of_node(closed_node.nid), of_node(second_closed_node.nid)
    assert has_private_memory() == {closed_node.nid, second_closed_node.nid}
    (one,), (other,) = ([target.memdev.serial for target in region.targets] for region in (first, second))
    assert one != other, "both nodes are memory of one device"
    assert inside(first, [closed_node.start // PAGE_SIZE])
    assert not inside(second, [closed_node.start // PAGE_SIZE])


@requirement("CXL-07")
def test_a_full_node_takes_nothing_from_the_other(
    closed_node: PrivateNode, second_closed_node: PrivateNode, alloc: AllocFactory, mod: TestModule
) -> None:
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.PRIVATE
    with closed_node.fill(), unchanged_free_pages(second_closed_node):
        fallen = alloc(Entry.ALLOC_PAGES_NODE, closed_node, gfp=gfp, count=PAGES)
        assert fallen is not None
        assert second_closed_node.nid not in fallen.on_node, where(fallen)
    control = alloc(Entry.ALLOC_PAGES_NODE, second_closed_node, gfp=gfp, count=PAGES)
    assert control is not None
    assert control.on_node == {second_closed_node.nid: PAGES}, where(control)


@requirement("CXL-07")
@pytest.mark.parametrize("swapped", [False, True], ids=["first", "second"])
def test_policies_and_moves_reach_the_device_they_name(
    open_node: OpenNode, second_open_node: OpenNode, anon: AnonFactory, swapped: bool
) -> None:
    here, there = open_node(OPEN), second_open_node(OPEN)
    if swapped:
        here, there = there, here
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [here.nid])
    memory.touch()
    assert inside(of_node(here.nid), residency(memory).frames), f"{residency(memory)}"
    moved = syscalls.move_pages(0, memory.addrs(), [there.nid] * PAGES, MPOL_MF_MOVE)
    assert moved == [there.nid] * PAGES
    assert inside(of_node(there.nid), residency(memory).frames), f"{residency(memory)}"
    memory.verify()


@requirement("CXL-07")
def test_device_path_stays_on_its_device(
    closed_node: PrivateNode,
    second_closed_node: PrivateNode,
    mod: TestModule,
    device_memory: AnonFactory,
) -> None:
    mod.device(second_closed_node.nid, PAGES * PAGE_SIZE)
    memory = device_memory(PAGES)
    with unchanged_free_pages(closed_node):
        memory.touch()
    assert inside(of_node(second_closed_node.nid), residency(memory).frames), f"{residency(memory)}"


@requirement("CXL-07")
def test_removing_one_leaves_the_other(
    open_node: OpenNode, second_closed_node: PrivateNode, anon: AnonFactory
) -> None:
    node = open_node(OPEN)
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    before = residency(memory).frames
    second_closed_node.unplug()
    assert has_private_memory() == {node.nid}
    assert residency(memory).frames == before
    memory.verify()

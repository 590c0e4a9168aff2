# SPDX-License-Identifier: GPL-2.0-only
"""CXL-04: memory of a region as a private node. Beside these, the tests marked `core` of ISO, DEV, MIG and
MPL run on it."""

from collections.abc import Iterator

import pytest

from fixtures.bench import Bench
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode, PrivateRange, stable_free_pages, unchanged_free_pages
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import topology
from fixtures.testmod import AllocFactory, where
from helpers import cxl, syscalls
from helpers.constants import MPOL_MF_MOVE, Mode
from helpers.memory import PAGE_SIZE
from helpers.nodes import Node, has_private_memory, node_list
from helpers.residency import node_of_frame
from helpers.testmod import Entry, OnlineType, Ops, TestModule
from selftests.cxl.region import inside, of_node
from selftests.oracle import located, placed

pytestmark = topology("cxl", "cxl-region")
OPEN = Ops.MIGRATION | Ops.MEMPOLICY
PAGES = 16


@pytest.fixture
def region(claimable: list[PrivateRange]) -> cxl.Region:
    """The region that P's range is."""
    return of_node(claimable[0].nid)


@requirement("CXL-04")
@pytest.mark.parametrize("online", [OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])
def test_region_becomes_the_private_node_of_its_window(
    region: cxl.Region, unplugged: PrivateRange, online: OnlineType
) -> None:
    device = region.dax()
    assert device is not None
    node = unplugged.plug(online=online)
    assert node.nid == device.target_node
    assert has_private_memory() == {node.nid}
    assert node.nid not in node_list("has_memory")
    assert node.nid not in node_list("has_cpu")
    assert inside(region, [node.start // PAGE_SIZE, (node.start + node.size) // PAGE_SIZE - 1])
    assert node.node.meminfo()["MemTotal"] == node.size
    assert stable_free_pages(node) == node.size // PAGE_SIZE


@requirement("CXL-04")
def test_whole_region_can_be_plugged(region: cxl.Region, unplugged: PrivateRange) -> None:
    node = unplugged.plug(unplugged.size)
    assert node.node.meminfo()["MemTotal"] == node.size
    assert len(node.blocks()) == node.size // unplugged.block
    node.unplug()
    assert has_private_memory() == set()


@requirement("CXL-04")
def test_allocator_keeps_off(
    closed_node: PrivateNode, ordinary_nodes: list[Node], alloc: AllocFactory, testmod: TestModule
) -> None:
    gfp = testmod.gfp
    ordinary = {node.nid for node in ordinary_nodes}
    with unchanged_free_pages(closed_node):
        fallen = alloc(Entry.ALLOC_PAGES_NODE, closed_node, gfp=gfp.HIGHUSER_MOVABLE, count=PAGES)
        assert fallen is not None
        assert set(fallen.on_node) <= ordinary, where(fallen)
        alone = alloc(Entry.ALLOC_PAGES_NODE, closed_node, gfp=gfp.HIGHUSER_MOVABLE | gfp.THISNODE)
        assert alone is None, where(alone)
    asked = alloc(
        Entry.ALLOC_PAGES_NODE, closed_node, gfp=gfp.HIGHUSER_MOVABLE | gfp.GFP_PRIVATE, count=PAGES
    )
    assert asked is not None
    assert asked.on_node == {closed_node.nid: PAGES}, where(asked)


@requirement("CXL-04")
def test_device_path_reaches_the_device(
    region: cxl.Region, closed_node: PrivateNode, mod: TestModule, device_memory: AnonFactory
) -> None:
    mod.device(closed_node.nid, PAGES * PAGE_SIZE)
    memory = device_memory(PAGES)
    assert memory.zeroed()
    memory.touch(full=True)
    found = located(mod, memory)
    assert found.all_on(closed_node.nid), f"{found}"
    assert inside(region, found.frames), f"frames {found.frames}"
    memory.verify(full=True)


@requirement("CXL-04")
def test_policy_path_reaches_the_device(
    region: cxl.Region, open_node: OpenNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory
) -> None:
    node = open_node(OPEN)
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch(full=True)
    found = located(mod, memory)
    assert found.all_on(node.nid), f"{found}"
    assert inside(region, found.frames), f"frames {found.frames}"
    memory.verify(full=True)
    control = placed(anon(PAGES), ordinary_node.nid)
    assert not inside(region, located(mod, control).frames[:1])


@requirement("CXL-04")
def test_pages_move_to_the_device_and_back(
    region: cxl.Region, open_node: OpenNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory
) -> None:
    node = open_node(Ops.MIGRATION)
    memory = placed(anon(PAGES), ordinary_node.nid)
    memory.touch(full=True)
    for nid in (node.nid, ordinary_node.nid):
        assert syscalls.move_pages(0, memory.addrs(), [nid] * PAGES, MPOL_MF_MOVE) == [nid] * PAGES
        found = located(mod, memory)
        assert found.all_on(nid), f"{found}"
        assert inside(region, found.frames) is (nid == node.nid), f"frames {found.frames}"
        memory.verify(full=True)


@requirement("CXL-04")
def test_device_memory_is_shared_with_a_forked_child(
    closed_node: PrivateNode, mod: TestModule, device_memory: AnonFactory, child: ChildFactory
) -> None:
    mod.device(closed_node.nid, PAGES * PAGE_SIZE)
    memory = device_memory(PAGES)
    memory.touch(1)

    def write() -> Iterator[None]:
        memory.verify(1)
        memory.touch(2)
        yield

    writer = child.start(write)
    writer.step()
    memory.verify(2)
    writer.finish()


@requirement("CXL-04")
@topology("cxl")
def test_region_remade_after_use_is_a_private_node_again(
    bench: Bench, mod: TestModule, anon: AnonFactory
) -> None:
    places = []
    for _again in range(2):
        node = bench.range(0).plug(ops=OPEN)
        memory = anon(PAGES)
        memory.bind(Mode.BIND, [node.nid])
        memory.touch()
        found = located(mod, memory)
        assert found.all_on(node.nid), f"{found}"
        places.append((node.nid, node.start, node_of_frame(node.start // PAGE_SIZE)))
        memory.verify()
        memory.close()
        bench.release()
        assert cxl.regions() == [], "the region outlived the unplug"
    assert len(set(places)) == 1, f"(node, start, node of the first frame): {places}"

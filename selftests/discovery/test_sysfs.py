# SPDX-License-Identifier: GPL-2.0-only
"""DSC-05 and DSC-06: the node's own files in sysfs."""

import pytest

from fixtures.nodes import MIB, PrivateNode, PrivateRange, stable_free_pages
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory
from helpers import paths
from helpers.memory import PAGE_SIZE
from helpers.nodes import Node, node_list, refresh_vmstat
from helpers.testmod import Entry, OnlineType, TestModule
from helpers.wait import wait_until
from selftests.discovery import acpi

REMOTE = 20  # REMOTE_DISTANCE of include/linux/topology.h, for nodes that no table knows
STRUCT_PAGE = 64  # bytes; 64-bit kernels with CONFIG_MEMCG


def memmap_bytes(size: int) -> int:
    """What a memmap of `size` bytes of memory takes where the kernel puts it on the memory itself."""
    knob = paths.SYS / "module/memory_hotplug/parameters/memmap_on_memory"
    allowed = knob.exists() and paths.read_text(knob) not in ("N", "0")
    return size // PAGE_SIZE * STRUCT_PAGE if allowed else 0


def memfree(node: PrivateNode) -> int:
    """MemFree of the node's meminfo and what is on per-CPU lists, in bytes."""
    refresh_vmstat()
    listed = sum(zone.pcp for zone in node.state().zones)
    return node.node.meminfo()["MemFree"] + listed * PAGE_SIZE


@requirement("DSC-05")
@pytest.mark.parametrize("online", [OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])
@pytest.mark.parametrize("on_memory", [False, True], ids=["memmap_elsewhere", "memmap_on_memory"])
def test_memtotal_is_the_plugged_size_and_free(
    unplugged: PrivateRange, online: OnlineType, on_memory: bool
) -> None:
    node = unplugged.plug(online=online, memmap_on_memory=on_memory)
    expected = node.size - (memmap_bytes(node.size) if on_memory else 0)
    total = node.node.meminfo()["MemTotal"]
    assert total == expected, f"MemTotal {total // MIB} MiB of {node.size // MIB} MiB plugged"
    assert node.free_pages() * PAGE_SIZE == total
    wait_until(lambda: memfree(node) == total, 5, lambda: f"all of it free: {node.node.meminfo()}")


@requirement("DSC-05")
def test_second_block_adds_to_memtotal(unplugged: PrivateRange) -> None:
    first = unplugged.plug()
    second = unplugged.plug(offset=unplugged.block)
    assert first.node.meminfo()["MemTotal"] == first.size + second.size
    second.unplug()
    assert first.node.meminfo()["MemTotal"] == first.size


@requirement("DSC-06")
def test_vmstat_counts_the_nodes_pages(
    closed_node: PrivateNode, ordinary_node: Node, alloc: AllocFactory, testmod: TestModule
) -> None:
    gfp = testmod.gfp.HIGHUSER_MOVABLE | testmod.gfp.GFP_PRIVATE
    before = stable_free_pages(closed_node)
    assert set(closed_node.node.vmstat()) == set(ordinary_node.vmstat()), "other counters than on D"
    taken = alloc(Entry.ALLOC_PAGES_NODE, closed_node, gfp=gfp, order=9, count=2)
    assert taken is not None
    assert stable_free_pages(closed_node) == before - taken.pages
    refresh_vmstat()
    assert closed_node.node.vmstat()["nr_free_pages"] <= before - taken.pages
    assert all(value >= 0 for value in closed_node.node.vmstat().values()), closed_node.node.vmstat()


@requirement("DSC-06")
def test_numastat_counts_allocations_for_the_node(
    closed_node: PrivateNode, alloc: AllocFactory, testmod: TestModule
) -> None:
    gfp = testmod.gfp.HIGHUSER_MOVABLE | testmod.gfp.GFP_PRIVATE
    before = closed_node.node.numastat()
    taken = alloc(Entry.ALLOC_PAGES_NODE, closed_node, gfp=gfp, count=32)
    refresh_vmstat()
    after = closed_node.node.numastat()
    assert taken is not None
    assert after["numa_hit"] - before["numa_hit"] == taken.pages, f"{before} -> {after}"
    assert (after["numa_miss"], after["numa_foreign"]) == (before["numa_miss"], before["numa_foreign"])


@requirement("DSC-06")
def test_distances_match_the_firmware(closed_node: PrivateNode, second_closed_node: PrivateNode) -> None:
    table = acpi.node_distances()
    seen = {nid: Node(nid).distances() for nid in node_list("online")}
    assert {closed_node.nid, second_closed_node.nid} <= set(seen)
    for a, row in seen.items():
        for b, value in row.items():
            default = 10 if a == b else REMOTE
            expected = default if table is None else table.get((a, b), default)
            assert value == expected, f"distance {a} to {b}; sysfs {seen}, firmware {table}"


@requirement("DSC-06")
@pytest.mark.parametrize(
    ("online", "zone"),
    [(OnlineType.MOVABLE, "Movable"), (OnlineType.KERNEL, "Normal")],
    ids=["movable", "kernel"],
)
def test_memory_blocks_cover_the_plugged_range(
    unplugged: PrivateRange, online: OnlineType, zone: str
) -> None:
    node = unplugged.plug(2 * unplugged.block, online=online)
    blocks = node.node.memory_blocks()
    assert [block.start for block in blocks] == [node.start, node.start + unplugged.block]
    assert {block.state for block in blocks} == {"online"}
    assert {block.nid for block in blocks} == {node.nid}
    assert [block.valid_zones for block in blocks] == [[zone], [zone]]
    assert {one.name for one in node.node.zones() if one.managed} == {zone}


@requirement("DSC-06")
def test_valid_zones_of_an_offline_block(unplugged: PrivateRange) -> None:
    (block,) = unplugged.plug(online=OnlineType.OFFLINE).blocks()
    assert block.state == "offline"
    assert {"Normal", "Movable"} == set(block.valid_zones)

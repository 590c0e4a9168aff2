# SPDX-License-Identifier: GPL-2.0-only
import os
from array import array
from collections import Counter

import pytest

from helpers import residency
from helpers.memory import PAGE_SIZE, Mapping
from helpers.residency import PRESENT, SWAPPED, FrameMap, Residency

BLOCK_PAGES = (1 << 27) // PAGE_SIZE


@pytest.fixture
def pages(machine):
    """pages([(pfn or None or "swap"), ...]) is the pagemap of addresses from 0 on."""
    machine.file("sys/devices/system/memory/block_size_bytes", "8000000")
    for index, nids in ((0, [0]), (1, [3]), (2, [0, 3])):
        for nid in nids:
            machine.directory(f"sys/devices/system/memory/memory{index}/node{nid}")

    def write(entries):
        words = array("Q")
        for entry in entries:
            words.append(0 if entry is None else SWAPPED | 5 if entry == "swap" else PRESENT | entry)
        machine.directory("proc/self").joinpath("pagemap").write_bytes(words.tobytes())

    write.machine = machine
    return write


def test_nodes_by_frame(pages):
    pages([1, None, BLOCK_PAGES, BLOCK_PAGES + 1, "swap"])
    found = residency.residency_of(0, 5)
    assert found.nodes == [0, None, 3, 3, None]
    assert found.frames == [1, None, BLOCK_PAGES, BLOCK_PAGES + 1, None]
    assert found.counts == Counter({3: 2, 0: 1})
    assert (found.present, found.absent, found.swapped) == (3, 2, 1)
    assert str(found) == "node0: 1 pages, node3: 2 pages, absent: 2 (1 swapped)"
    assert found.elsewhere(3) == [0]
    assert found.any_on(0)
    assert not found.any_on(1)


def test_range_starts_at_its_address(pages):
    pages([1, 2, BLOCK_PAGES])
    assert residency.frames(2 * PAGE_SIZE, 1) == [BLOCK_PAGES]


def test_pages_beyond_the_address_space_are_absent(pages):
    pages([1])
    assert residency.frames(0, 3) == [1, None, None]


def test_hidden_frames_are_an_error_and_never_a_node(pages):
    pages([0])
    with pytest.raises(PermissionError, match="needs CAP_SYS_ADMIN"):
        residency.frames(0, 1)


def test_nothing_present_needs_no_memory_blocks(machine):
    machine.directory("proc/self").joinpath("pagemap").write_bytes(bytes(16))
    assert str(residency.residency_of(0, 2)) == "absent: 2"


def test_all_on():
    assert Residency([1, 1], [5, 6]).all_on(1)
    assert not Residency([1, None], [5, None]).all_on(1)
    assert not Residency([], []).all_on(1)
    assert str(Residency([], [])) == "no pages"


def test_a_frame_in_no_block(pages):
    with pytest.raises(LookupError, match="no memory block memory7"):
        residency.node_of_frame(7 * BLOCK_PAGES)


def test_every_answer_looks_at_the_blocks_again(pages):
    assert residency.node_of_frame(BLOCK_PAGES) == 3
    directory = pages.machine.root / "sys/devices/system/memory/memory1"
    (directory / "node3").rename(directory / "node1")
    assert residency.node_of_frame(BLOCK_PAGES) == 1


def test_zones_tell_in_a_block_of_two_nodes(pages):
    zone = "Node {}, zone Normal\n  pages free 0\n spanned {}\n managed 1\n  pagesets\n  start_pfn: {}\n"
    middle = 2 * BLOCK_PAGES + 100
    pages.machine.file("proc/zoneinfo", zone.format(0, middle, 0) + zone.format(3, 5000, middle))
    frames = FrameMap()
    assert [frames.node(middle - 1), frames.node(middle)] == [0, 3]
    pages.machine.file("proc/zoneinfo", zone.format(0, middle + 50, 0) + zone.format(3, 5000, middle))
    with pytest.raises(LookupError, match="several nodes"):
        FrameMap().node(middle)


def test_huge_runs():
    run = list(range(512, 1024))
    assert Residency([0] * 512, run).huge_runs(512 * PAGE_SIZE) == 1
    assert Residency([0] * 1024, run + [7] * 512).huge_runs(512 * PAGE_SIZE) == 1
    assert Residency([0] * 512, list(range(513, 1025))).huge_runs(512 * PAGE_SIZE) == 0
    assert Residency([0] * 100, run[:100]).huge_runs(512 * PAGE_SIZE) == 0


def test_the_running_kernel():
    """Root on a machine with memory blocks: real frames, found on a real node."""
    try:
        block_pages = FrameMap()
    except FileNotFoundError:
        pytest.skip("this kernel has no memory blocks")
    with Mapping.anonymous(6) as mapping:
        mapping.touch(count=4)
        try:
            found = residency.residency(mapping)
        except PermissionError:
            pytest.skip("frames are hidden from this user")
        assert found.present == 4
        assert len(set(found.frames[:4])) == 4
        assert block_pages.node(found.frames[0]) == found.nodes[0]
        assert residency.residency(mapping, os.getpid()).frames == found.frames
        mapping.read_fault(first=4)
        assert residency.is_zero_page(residency.frames(mapping.page_addr(5), 1)[0])
        assert not residency.is_zero_page(found.frames[0])

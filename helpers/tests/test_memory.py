# SPDX-License-Identifier: GPL-2.0-only
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import memory
from helpers import syscalls as sc
from helpers.memory import Mapping

PAGES = 8


def mapped(addr):
    try:
        sc.mincore(addr, sc.PAGE_SIZE)
    except OSError:
        return False
    return True


@pytest.fixture
def mapping():
    with Mapping.anonymous(PAGES) as one:
        yield one


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_pattern_is_found_again(shared, full):
    with Mapping.anonymous(PAGES, shared=shared) as mapping:
        mapping.touch(5, full=full)
        mapping.verify(5, full=full)
        with pytest.raises(AssertionError, match=r"page 0 of 8 .*found the pattern of page 0, seed 5"):
            mapping.verify(6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, PAGES * sc.PAGE_SIZE - 1), st.integers(1, 255))
def test_full_check_finds_any_flipped_byte(mapping_offset, flip):
    with Mapping.anonymous(PAGES) as mapping:
        mapping.touch(2, full=True)
        mapping.view[mapping_offset] ^= flip
        page, byte = divmod(mapping_offset, sc.PAGE_SIZE)
        with pytest.raises(AssertionError, match=rf"page {page} of 8 .*byte {byte}\)"):
            mapping.verify(2, full=True)


def test_swapped_pages_are_told_apart(mapping):
    mapping.touch(1)
    mapping.view[: sc.PAGE_SIZE], mapping.view[sc.PAGE_SIZE : 2 * sc.PAGE_SIZE] = (
        mapping.page(1),
        mapping.page(0),
    )
    with pytest.raises(
        AssertionError, match=r"expected the pattern of page 0, seed 1; found the pattern of page 1"
    ):
        mapping.verify(1)


def test_lost_pages_are_called_zero(mapping):
    mapping.touch(1)
    mapping.advise(sc.MADV_DONTNEED, first=3, count=1)
    with pytest.raises(AssertionError, match=r"page 3 of 8 .* found all zeroes"):
        mapping.verify(1)
    mapping.verify(1, first=4)


def test_zeroed(mapping):
    assert mapping.zeroed()
    mapping.view[-1] = 1
    assert not mapping.zeroed()
    assert mapping.first_nonzero() == PAGES - 1
    assert mapping.read_all()[-1] == 1


def test_zeroed_over_more_than_one_step():
    with Mapping.anonymous(200) as mapping:
        mapping.view[150 * sc.PAGE_SIZE + 7] = 9
        assert mapping.first_nonzero() == 150


def test_part_ranges_are_checked(mapping):
    mapping.touch(1, first=2, count=3)
    assert mapping.first_nonzero() == 2
    mapping.verify(1, first=2, count=3)
    with pytest.raises(ValueError, match="outside of"):
        mapping.touch(first=6, count=3)


@pytest.mark.parametrize("shared", [False, True])
def test_mappings_beside_each_other_are_not_told_of_as_one(shared: bool):
    made = [Mapping.anonymous(PAGES, shared=shared) for _ in range(4)]
    try:
        for one in made:
            one.touch()
        assert [one.smaps()["Rss"] for one in made] == [one.nbytes for one in made]
    finally:
        for one in made:
            one.close()


def test_touching_writes_so_every_page_is_resident(mapping):
    mapping.touch()
    assert mapping.smaps()["Anonymous"] == mapping.nbytes
    assert sc.mincore(mapping.addr, mapping.nbytes) == [True] * PAGES


def test_addresses(mapping):
    assert mapping.addrs(1, 3) == [mapping.addr + n * sc.PAGE_SIZE for n in (1, 2, 3)]
    assert len(mapping.addrs(step=4)) == 2
    assert mapping.end - mapping.addr == mapping.nbytes


def test_close_unmaps_once():
    mapping = Mapping.anonymous(2)
    mapping.close()
    assert not mapped(mapping.addr)
    mapping.close()
    with pytest.raises(ValueError, match="closed"):
        mapping.touch()


def test_close_leaves_holes_to_their_new_owner():
    mapping = Mapping.anonymous(PAGES)
    mapping.unmap(2, 2)
    hole = mapping.page_addr(2)
    flags = sc.MAP_PRIVATE | sc.MAP_ANONYMOUS | sc.MAP_FIXED_NOREPLACE
    assert sc.mmap(hole, 2 * sc.PAGE_SIZE, 3, flags) == hole
    mapping.close()
    assert [mapped(mapping.page_addr(n)) for n in range(PAGES)] == [n in (2, 3) for n in range(PAGES)]
    sc.munmap(hole, 2 * sc.PAGE_SIZE)


def test_remap_follows_the_memory(mapping):
    mapping.touch(4)
    mapping.remap(PAGES * 4)
    mapping.verify(4, count=PAGES)
    assert mapping.first_nonzero(first=PAGES) is None


def test_huge_pages_start_aligned():
    pages = 2 * memory.thp_size() // sc.PAGE_SIZE
    try:
        mapping = Mapping.anonymous(pages, thp=True)
    except OSError:
        pytest.skip("this kernel has no transparent huge pages")
    with mapping:
        assert mapping.addr % memory.thp_size() == 0
        mapping.touch()
        mapping.verify()


def test_base_pages_stay_base_pages():
    with Mapping.anonymous(2 * memory.thp_size() // sc.PAGE_SIZE, populate=True) as mapping:
        assert mapping.smaps()["AnonHugePages"] == 0
        assert mapping.smaps()["Rss"] == mapping.nbytes


def test_file_mapping(tmp_path):
    fd = os.memfd_create("x")
    try:
        os.ftruncate(fd, 3 * sc.PAGE_SIZE)
        with Mapping.of_fd(fd, 2, shared=True, offset=sc.PAGE_SIZE) as mapping:
            mapping.touch(9)
        data = os.pread(fd, 3 * sc.PAGE_SIZE, 0)
    finally:
        os.close(fd)
    assert not any(data[: sc.PAGE_SIZE])
    assert data[sc.PAGE_SIZE :].startswith(memory.header(0, 9))


def test_smaps_of_part_of_the_address_space(mapping):
    mapping.protect(sc.PROT_READ, first=4)
    found = list(memory.smaps(os.getpid(), mapping.addr, mapping.end))
    assert len(found) == 2
    assert mapping.smaps()["Size"] >= mapping.nbytes

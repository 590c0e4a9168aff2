# SPDX-License-Identifier: GPL-2.0-only
"""ISO-25: no ordinary memory left, P empty: the kernel helps itself by other means."""

import os
import signal
from collections.abc import Iterator

import pytest

from fixtures.cgroups import MemcgFactory
from fixtures.invariants import oom_expected
from fixtures.nodes import MIB, PrivateNode
from fixtures.pressure import SwapFactory
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import PROT_READ
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import Residency, residency
from helpers.swap import RAM_DISK, swaps
from helpers.testmod import TestModule
from selftests.isolation.world import assert_untouched, take_all

#: Bytes left on each ordinary node, and what a child then wants.
LEFT, WANTED = 16 * MIB, 64 * MIB


@pytest.fixture
def scarce(mod: TestModule, ordinary_nodes: list[Node]) -> None:
    """LEFT bytes can be had from each ordinary node and no more, for the length of the test."""
    for node in ordinary_nodes:
        reserve = sum(zone.watermarks.min for zone in node.zones())
        take_all(mod, node, leave=reserve + LEFT // PAGE_SIZE)


def want(nbytes: int) -> Iterator[Residency]:
    """Take and keep that much; the kernel may kill for it."""
    with Mapping.anonymous(nbytes // PAGE_SIZE) as memory:
        memory.touch()
        yield residency(memory)
        memory.verify()


@requirement("ISO-25")
@oom_expected
@pytest.mark.usefixtures("scarce")
def test_oom_kill_rather_than_p(private: PrivateNode, child: ChildFactory) -> None:
    glutton = child.start(want, WANTED, oom_score_adj=1000)
    death = glutton.wait_end()
    assert death is not None, f"64 MiB were had from nodes with 2 x 16 MiB free, on {private}?"
    assert death.signal is signal.SIGKILL, f"{death}"
    assert_untouched(private)


@requirement("ISO-25")
@oom_expected
def test_oom_kill_in_a_cgroup_rather_than_p(
    private: PrivateNode, child: ChildFactory, memcg: MemcgFactory
) -> None:
    group = memcg(4 * MIB)
    glutton = child.start(want, 16 * MIB, cgroup=group, oom_score_adj=1000)
    death = glutton.wait_end()
    assert death is not None, "16 MiB were had in a cgroup limited to 4 MiB"
    assert group.events()["oom_kill"] >= 1, f"{group.events()}"
    assert_untouched(private)


@pytest.fixture
def filled_swap(swap: SwapFactory) -> None:
    """A swap area whose RAM disk has its memory already, so that swapping out needs none."""
    with open(RAM_DISK, "r+b", buffering=0) as disk:
        for _ in range(WANTED // MIB):
            disk.write(b"pnode-sw" * (MIB // 8))
        os.fsync(disk.fileno())
        # Else the page cache just made would be reclaimed, and nothing need be swapped.
        os.posix_fadvise(disk.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    swap(WANTED)


@requirement("ISO-25")
@pytest.mark.usefixtures("filled_swap", "scarce")
def test_swap_rather_than_p(private: PrivateNode, child: ChildFactory, ordinary_nodes: list[Node]) -> None:
    glutton = child.start(want, WANTED, oom_score_adj=1000)
    found = glutton.step()
    # Not only this memory: what the machine has not used for long goes first.
    used = sum(area.used for area in swaps())
    assert used >= MIB, f"{used} bytes swapped out, no pressure? {found}"
    assert set(found.counts) <= {node.nid for node in ordinary_nodes}, f"{found}"
    assert_untouched(private)
    glutton.finish()


@requirement("ISO-25")
@pytest.mark.usefixtures("scarce")
def test_reclaim_of_page_cache_rather_than_p(private: PrivateNode, child: ChildFactory) -> None:
    """Reading more than there is memory for: older page cache is given up for newer."""
    with open(RAM_DISK, "rb", buffering=0) as disk:
        for _ in range(WANTED // MIB):
            disk.read(MIB)
        size = WANTED // PAGE_SIZE
        with Mapping.of_fd(disk.fileno(), size, shared=True, prot=PROT_READ) as memory:
            kept = sum(syscalls.mincore(memory.addr, memory.nbytes))
        os.posix_fadvise(disk.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    assert kept < size, f"all {size} pages were kept: no pressure"
    assert_untouched(private)

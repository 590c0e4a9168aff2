# SPDX-License-Identifier: GPL-2.0-only
"""ISO-20: memory of tasks with default policy, while the node of their CPU is full: the pages go on to the
other ordinary nodes, which is the control, and not to P, which is nearer."""

import ctypes
import resource
from collections.abc import Callable, Iterator

import pytest

from fixtures.cgroups import MemcgFactory
from fixtures.memory import AnonFactory
from fixtures.nodes import MIB, PrivateNode
from fixtures.pressure import SwapFactory
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import MADV_PAGEOUT, MADV_POPULATE_WRITE, MAP_GROWSDOWN, MAP_STACK
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import Residency, residency, residency_of
from helpers.testmod import TestModule
from selftests.isolation.world import assert_spilled, assert_untouched, fill_nearest

#: More than a full node still gives out of what reclaim finds there.
PAGES = 1024


@requirement("ISO-20")
@pytest.mark.core
@pytest.mark.parametrize("shared", [False, True], ids=["private", "shared"])
def test_anonymous_memory(
    private: PrivateNode, anon: AnonFactory, short_of_memory: Node, ordinary_nodes: list[Node], shared: bool
) -> None:
    memory = anon(PAGES, shared=shared)
    memory.touch()
    assert_spilled(residency(memory), private, ordinary_nodes, "anonymous memory")


@requirement("ISO-20")
@pytest.mark.usefixtures("short_of_memory")
def test_huge_pages(private: PrivateNode, anon: AnonFactory, ordinary_nodes: list[Node]) -> None:
    memory = anon(8 * 512, thp=True)
    memory.advise(MADV_POPULATE_WRITE)
    found = residency(memory)
    assert_spilled(found, private, ordinary_nodes, "memory that wants huge pages")
    assert memory.smaps()["AnonHugePages"], f"not one huge page: {found}"


def grow_stack(pages: int) -> Residency:
    """A stack as the kernel makes one: a mapping that grows downwards as it is touched."""
    resource.setrlimit(resource.RLIMIT_STACK, (64 * MIB, resource.RLIM_INFINITY))
    room = syscalls.mmap(0, 32 * MIB, 3, syscalls.MAP_PRIVATE | syscalls.MAP_ANONYMOUS)
    syscalls.munmap(room, 32 * MIB)
    flags = MAP_GROWSDOWN | MAP_STACK | syscalls.MAP_PRIVATE | syscalls.MAP_ANONYMOUS | syscalls.MAP_FIXED
    top = syscalls.mmap(room + 31 * MIB, PAGE_SIZE, 3, flags)
    for index in range(pages):
        ctypes.memset(top - index * PAGE_SIZE, 1, 64)
    return residency_of(top - (pages - 1) * PAGE_SIZE, pages)


def grow_heap(pages: int) -> Residency:
    """The break, moved and touched."""
    sbrk = ctypes.CDLL(None, use_errno=True).sbrk
    sbrk.restype, sbrk.argtypes = ctypes.c_size_t, [ctypes.c_ssize_t]
    start = sbrk(pages * PAGE_SIZE)
    assert start != 2**64 - 1, "the break cannot be moved"
    first = -(-start // PAGE_SIZE)
    for index in range(pages - 1):
        ctypes.memset((first + index) * PAGE_SIZE, 1, 64)
    return residency_of(first * PAGE_SIZE, pages - 1)


@requirement("ISO-20")
@pytest.mark.parametrize("grow", [grow_stack, grow_heap], ids=["stack", "brk"])
@pytest.mark.usefixtures("short_of_memory")
def test_stack_and_break(
    private: PrivateNode, child: ChildFactory, ordinary_nodes: list[Node], grow: Callable[[int], Residency]
) -> None:
    found = child(grow, PAGES)
    assert found.present >= PAGES - 1, f"{found}"
    assert_spilled(found, private, ordinary_nodes)


@requirement("ISO-20")
@pytest.mark.disruptive
def test_copies_after_fork(
    private: PrivateNode, anon: AnonFactory, child: ChildFactory, mod: TestModule, ordinary_nodes: list[Node]
) -> None:
    memory = anon(PAGES)
    memory.touch()
    before = residency(memory)

    def write() -> Iterator[Residency]:
        memory.verify()
        memory.touch(2)
        yield residency(memory)
        memory.verify(2)

    fill_nearest(mod, ordinary_nodes)
    writer = child.start(write)
    copies = writer.step()
    assert not set(copies.frames) & set(before.frames), f"not copied: {copies}"
    assert_spilled(copies, private, ordinary_nodes, "the child's copies")
    writer.finish()
    memory.verify()


@requirement("ISO-20")
@pytest.mark.disruptive
def test_swapped_in_pages(
    private: PrivateNode, anon: AnonFactory, swap: SwapFactory, mod: TestModule, ordinary_nodes: list[Node]
) -> None:
    memory = anon(PAGES)
    memory.touch()
    swap(16 * MIB)
    memory.advise(MADV_PAGEOUT)
    out = residency(memory)
    assert out.swapped > PAGES // 2, f"not swapped out: {out}"
    fill_nearest(mod, ordinary_nodes)
    memory.verify()
    assert_spilled(residency(memory), private, ordinary_nodes, "swapped-in memory")


@requirement("ISO-20")
def test_memory_beyond_the_limit_of_a_cgroup(
    private: PrivateNode, memcg: MemcgFactory, child: ChildFactory, swap: SwapFactory
) -> None:
    def work() -> Iterator[Residency]:
        with Mapping.anonymous(2 * PAGES) as memory:
            memory.touch()
            yield residency(memory)
            memory.verify()

    swap(32 * MIB)
    group = memcg(PAGES * PAGE_SIZE, swap_max="max")
    worker = child.start(work, cgroup=group)
    found = worker.step()
    assert found.swapped, f"no pressure: {found}"
    assert not found.any_on(private.nid), f"on {private}: {found}"
    worker.finish()
    assert_untouched(private)

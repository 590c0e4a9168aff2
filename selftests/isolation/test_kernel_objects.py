# SPDX-License-Identifier: GPL-2.0-only
"""ISO-09, and ISO-01 to ISO-04 for the entry points that make objects of the kernel: P is online in the
kernel zone, so that nothing but the gate keeps them out."""

from dataclasses import dataclass

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory, where
from helpers import syscalls
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping, thp_size
from helpers.nodes import Node
from helpers.residency import Residency, residency
from helpers.testmod import Allocation, Entry, OnlineType, TestModule
from selftests.isolation.world import OPEN, all_on, assert_ordinary, assert_untouched, fill_nearest

KIB = 1 << 10


@dataclass(frozen=True)
class Thing:
    """An object of the kernel and how many of them make the allocator look for new pages."""

    name: str
    entry: Entry
    size: int
    count: int

    def __str__(self) -> str:
        return self.name


#: No multiple of the objects of a slab: the last one has some left.
KMALLOC = Thing("kmalloc", Entry.KMALLOC_NODE, 512, 250)
CACHE = Thing("kmem_cache", Entry.KMEM_CACHE_NODE, 256, 256)
#: Beyond a slab: the request goes to the page allocator as it is.
LARGE = Thing("kmalloc-large", Entry.KMALLOC_NODE, 64 * KIB, 4)
KVMALLOC = Thing("kvmalloc", Entry.KVMALLOC_NODE, 8192 * KIB, 1)
VMALLOC = Thing("vmalloc", Entry.VMALLOC_NODE, 256 * KIB, 2)
EXACT = Thing("exact_nid", Entry.EXACT_NID, 24 * KIB, 4)
STACK = Thing("kernel-stack", Entry.KSTACK, 0, 8)
PERCPU = Thing("percpu", Entry.PERCPU, 16 * KIB, 8)

BY_NODE = (KMALLOC, CACHE, LARGE, KVMALLOC, VMALLOC, EXACT, STACK)
BY_PAGE = (LARGE, KVMALLOC, VMALLOC, EXACT)


def make(alloc: AllocFactory, thing: Thing, node: object, gfp: int) -> Allocation | None:
    """Allocate through the thing's entry point."""
    return alloc(thing.entry, node, gfp=gfp, size=thing.size, count=thing.count)


@pytest.fixture
def far_ordinary(kernel_ordinary_nodes: list[Node]) -> Node:
    """Here: the farthest that has memory for objects of the kernel."""
    return kernel_ordinary_nodes[-1]


@pytest.fixture
def short_of_memory(mod: TestModule, kernel_ordinary_nodes: list[Node]) -> Node:
    """Here: the nearest of those has nothing left."""
    return fill_nearest(mod, kernel_ordinary_nodes)


@requirement("ISO-09", "ISO-01")
@pytest.mark.parametrize("thing", BY_NODE, ids=str)
def test_object_for_p_is_elsewhere(
    kernel_node: PrivateNode, alloc: AllocFactory, ordinary_nodes: list[Node], far_ordinary: Node,
    testmod: TestModule, thing: Thing,
) -> None:  # fmt: skip
    taken = make(alloc, thing, kernel_node, testmod.gfp.KERNEL)
    assert_ordinary(taken, ordinary_nodes, f"{thing} for {kernel_node}")
    assert_untouched(kernel_node)
    control = make(alloc, thing, far_ordinary, testmod.gfp.KERNEL)
    # Two stacks a CPU are kept for the next thread, whatever node it is for.
    assert control is not None
    honoured = far_ordinary.nid in control.on_node if thing is STACK else all_on(control, far_ordinary)
    assert honoured, f"{thing} for {far_ordinary}: {where(control)}"


@requirement("ISO-09", "ISO-02")
@pytest.mark.parametrize("thing", BY_PAGE, ids=str)
def test_object_for_p_alone_is_refused(
    kernel_node: PrivateNode, alloc: AllocFactory, far_ordinary: Node, testmod: TestModule, thing: Thing
) -> None:
    gfp = testmod.gfp.KERNEL | testmod.gfp.THISNODE
    taken = make(alloc, thing, kernel_node, gfp)
    assert taken is None, f"{thing} with THISNODE: {where(taken)}"
    assert_untouched(kernel_node)
    control = make(alloc, thing, far_ordinary, gfp)
    assert all_on(control, far_ordinary), f"{thing} with THISNODE for {far_ordinary}: {where(control)}"


@requirement("ISO-09")
@pytest.mark.parametrize("thing", [KMALLOC, CACHE], ids=str)
def test_slab_for_p_alone_is_elsewhere_or_refused(
    kernel_node: PrivateNode, alloc: AllocFactory, far_ordinary: Node, testmod: TestModule, thing: Thing
) -> None:
    """For a node without slabs the slab allocator may ignore the node; the page under it is not P's."""
    taken = make(alloc, thing, kernel_node, testmod.gfp.KERNEL | testmod.gfp.THISNODE)
    assert taken is None or kernel_node.nid not in taken.on_node, f"{thing}: {where(taken)}"
    assert_untouched(kernel_node)
    control = make(alloc, thing, far_ordinary, testmod.gfp.KERNEL | testmod.gfp.THISNODE)
    assert all_on(control, far_ordinary), f"{thing} for {far_ordinary}: {where(control)}"


@requirement("ISO-09")
def test_slab_that_was_asked_for_opens_p_to_nobody(
    kernel_node: PrivateNode, alloc: AllocFactory, far_ordinary: Node, testmod: TestModule
) -> None:
    """Who gets an object does not choose its slab: of one that was made on P for who asked, the free objects
    would be anybody's, and the gate is not asked about them."""
    gfp = testmod.gfp
    for asked in (gfp.PRIVATE, gfp.GFP_PRIVATE):
        given_up, _held = (make(alloc, KMALLOC, kernel_node, gfp.KERNEL | asked) for _again in range(2))
        if given_up is not None:
            given_up.free()
        for plain in (0, gfp.THISNODE):
            taken = make(alloc, KMALLOC, kernel_node, gfp.KERNEL | plain)
            seen = f"gfp {gfp.names(plain)} after {gfp.names(asked)}: {where(taken)}"
            assert taken is None or kernel_node.nid not in taken.on_node, seen
    control = make(alloc, KMALLOC, far_ordinary, gfp.KERNEL)
    assert all_on(control, far_ordinary), f"for {far_ordinary}: {where(control)}"


@requirement("ISO-09a")
@pytest.mark.parametrize("thing", [KMALLOC, CACHE], ids=str)
def test_slab_is_elsewhere_for_who_asks_too(
    kernel_node: PrivateNode, alloc: AllocFactory, far_ordinary: Node, testmod: TestModule, thing: Thing
) -> None:
    gfp = testmod.gfp
    for flags in (gfp.PRIVATE, gfp.GFP_PRIVATE):
        taken = make(alloc, thing, kernel_node, gfp.KERNEL | flags)
        seen = f"{thing}, gfp {gfp.names(flags)}: {where(taken)}"
        assert taken is None or kernel_node.nid not in taken.on_node, seen
        control = make(alloc, thing, far_ordinary, gfp.KERNEL | flags)
        assert all_on(control, far_ordinary), f"{thing} for {far_ordinary}: {where(control)}"
    assert_untouched(kernel_node)


@requirement("ISO-03", "ISO-04")
@pytest.mark.parametrize("thing", BY_PAGE, ids=str)
def test_whole_pages_for_who_asks(
    kernel_node: PrivateNode, alloc: AllocFactory, ordinary_nodes: list[Node], testmod: TestModule,
    thing: Thing,
) -> None:  # fmt: skip
    gfp = testmod.gfp
    for flags in (gfp.PRIVATE, gfp.GFP_PRIVATE):
        taken = make(alloc, thing, kernel_node, gfp.KERNEL | flags)
        assert all_on(taken, kernel_node), f"{thing}, gfp {gfp.names(flags)}: {where(taken)}"
    with kernel_node.fill():
        taken = make(alloc, thing, kernel_node, gfp.KERNEL | gfp.GFP_PRIVATE)
        assert taken is None, f"{thing}, GFP_PRIVATE with P full: {where(taken)}"
        taken = make(alloc, thing, kernel_node, gfp.KERNEL | gfp.PRIVATE)
        assert_ordinary(taken, ordinary_nodes, f"{thing}, PRIVATE with P full")


@requirement("ISO-09")
def test_percpu_memory_is_elsewhere(
    kernel_node: PrivateNode, short_of_memory: Node, alloc: AllocFactory, ordinary_nodes: list[Node],
    testmod: TestModule,
) -> None:  # fmt: skip
    """It takes no node: with the CPUs' own node full, the next in the list is wanted."""
    taken = make(alloc, PERCPU, -1, testmod.gfp.KERNEL)
    assert_ordinary(taken, ordinary_nodes, "per-CPU memory")
    assert taken is not None
    assert set(taken.on_node) - {short_of_memory.nid}, f"no pressure: {where(taken)}"
    assert_untouched(kernel_node)


@requirement("ISO-09")
@pytest.mark.parametrize("thing", [CACHE, KMALLOC, LARGE, KVMALLOC, VMALLOC], ids=str)
def test_objects_of_a_task_bound_to_p(
    open_node: OpenNode, mod: TestModule, child: ChildFactory, ordinary_nodes: list[Node], far_ordinary: Node,
    thing: Thing,
) -> None:  # fmt: skip
    node = open_node(OPEN, online=OnlineType.KERNEL)

    def bound(nid: int) -> set[int]:
        """Nodes of the objects; in a child, whose own memory follows the policy too."""
        syscalls.set_mempolicy(Mode.BIND, [nid])
        return set(mod.alloc(thing.entry, -1, gfp=mod.gfp.KERNEL, size=thing.size, count=thing.count).on_node)

    found = child(bound, node.nid)
    assert found, f"no {thing} in a task bound to {node}"
    assert found <= {one.nid for one in ordinary_nodes}, f"{thing} of a task bound to {node}: {found}"
    if thing in (CACHE, VMALLOC):  # the others prefer the CPU's node, or have objects left
        control = child(bound, far_ordinary.nid)
        assert control == {far_ordinary.nid}, f"{thing} of a task bound to {far_ordinary}: {control}"


@requirement("ISO-09")
@pytest.mark.parametrize("online", [OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])
def test_page_tables_of_memory_on_p(
    open_node: OpenNode, child: ChildFactory, testmod: TestModule, ordinary_nodes: list[Node],
    online: OnlineType,
) -> None:  # fmt: skip
    node = open_node(OPEN, online=online)

    def touch() -> tuple[Residency, list[int | None]]:
        """One page of each table: where they are, and where their tables are."""
        step = thp_size() // PAGE_SIZE
        syscalls.set_mempolicy(Mode.BIND, [node.nid])
        with Mapping.anonymous(16 * step) as memory:
            for index in range(0, memory.pages, step):
                memory.touch(first=index, count=1)
            reports = [testmod.pages(address, 1)[0] for address in memory.addrs(step=step)]
            return residency(memory), [report.pt_nid for report in reports]

    pages, tables = child(touch)
    assert pages.counts == {node.nid: 16}, f"the control, pages on P: {pages}"
    assert set(tables) <= {one.nid for one in ordinary_nodes}, f"page tables on nodes {tables}"

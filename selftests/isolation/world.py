# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of this chapter share: entry points, requests, and the judgement of where pages are."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import pytest

from fixtures.private import PrivateNode
from fixtures.settling import drain, each_cpu, lost_pages
from fixtures.testmod import where
from helpers.constants import MADV_DONTNEED
from helpers.memory import Mapping
from helpers.nodes import Node, refresh_vmstat, vmstat
from helpers.observed import landed
from helpers.residency import Residency, residency
from helpers.testmod import Allocation, Entry, OnlineType, Ops, TestModule
from helpers.testmod.many import alloc_many
from helpers.testmod.results import Gfp
from helpers.wait import wait_until

OPEN = Ops.MIGRATION | Ops.MEMPOLICY
#: Pages of one request: more than a per-CPU batch, so that the free lists are reached too.
PAGES = 80

#: Entry points that hand out pages of a preferred node, and those of them that take a nodemask.
BY_MASK = (Entry.ALLOC_PAGES_NODEMASK, Entry.FOLIO_ALLOC_NODE, Entry.BULK)
BY_NODE = (Entry.ALLOC_PAGES_NODE, *BY_MASK)


def label(value: object) -> str:
    """Test ids: names of enum members, else the value."""
    return str(getattr(value, "name", value)).lower().replace("_", "-")


@dataclass(frozen=True)
class World:
    """A private node and the request that it could serve if only it were allowed.

    base: gfp of an ordinary request for the zone P has: GFP_HIGHUSER_MOVABLE for a movable one, GFP_KERNEL
    for the kernel zone. light: the same without direct reclaim, for requests that have nowhere to go, so that
    a failure is no case for the OOM killer; without NOMEMALLOC it could dip into the reserves instead.
    ordinary: the ordinary nodes that could serve it, too, nearest first. A node that is online movable as a
    whole has nothing for GFP_KERNEL.
    """

    node: PrivateNode
    gfp: Gfp
    ordinary: list[Node] = field(default_factory=list)

    @property
    def far(self) -> Node:
        """The farthest of the ordinary nodes: getting pages there shows that a node was honoured."""
        return self.ordinary[-1]

    @property
    def base(self) -> int:
        movable = self.node.online is OnlineType.MOVABLE
        return self.gfp.HIGHUSER_MOVABLE if movable else self.gfp.KERNEL

    @property
    def light(self) -> int:
        return self.base & ~self.gfp.DIRECT_RECLAIM | self.gfp.NOMEMALLOC


def all_on(taken: Allocation | None, node: Node | PrivateNode) -> bool:
    """All of the allocation is on that node; False for nothing."""
    return taken is not None and taken.nid == node.nid


def assert_ordinary(taken: Allocation | None, ordinary: Iterable[Node], what: object = "") -> None:
    """Something was allocated, and all of it on these nodes."""
    nids = {node.nid for node in ordinary}
    assert taken is not None, f"{what}: nothing was allocated, expected nodes {sorted(nids)}"
    assert set(taken.on_node) <= nids, f"{what}: {where(taken)}, expected nodes {sorted(nids)} only"


def assert_untouched(*nodes: PrivateNode) -> None:
    """Not a page of these nodes is in use, by whomever: every page is free, per-CPU lists included."""
    for node in nodes:
        used = pages_in_use(node)
        assert not used, f"{node}: {used} of {node.managed_pages()} pages in use: {lost_pages(node)}"


def pages_in_use(node: PrivateNode, seconds: float = 1.0) -> int:
    """Pages that are not free. While a per-CPU list is on its way home its pages are in neither count, for
    one look at most, and what a task had is held for a while by the CPU's list of new folios: a few looks are
    taken before pages count as in use."""
    managed = node.managed_pages()
    seen: list[int] = []

    def none() -> bool:
        drain()
        seen.append(managed - node.free_pages())
        return not seen[-1]

    with suppress(TimeoutError):
        wait_until(none, seconds, "all pages free")
    return seen[-1]


def assert_spilled(found: Residency, node: PrivateNode, ordinary: list[Node], what: str = "memory") -> None:
    """D had no room, so the pages went on to the other ordinary nodes; none is on the private node."""
    landed(found, "nearest node full", by=what)
    assert not found.any_on(node.nid), f"{what} reached {node}: {found}"
    beyond = [one.nid for one in ordinary[1:]]
    assert any(found.any_on(nid) for nid in beyond), (
        f"{what}: no pressure, nothing on nodes {beyond}: {found}"
    )
    assert_untouched(node)


def take_all(mod: TestModule, node: Node, leave: int = 0) -> None:
    """Take an ordinary node's free pages, down to its min watermark or to `leave` pages, held by the
    descriptor.

    Without reclaim, which would make room again, and without the help of reserves.
    """
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.THISNODE | mod.gfp.NOMEMALLOC
    gfp &= ~(mod.gfp.DIRECT_RECLAIM | mod.gfp.KSWAPD_RECLAIM)
    for _round in range(2):
        drain()  # what is on its way home would come back later, and so would what CPUs have not told yet
        refresh_vmstat()
        for _cpu in each_cpu():
            for order in (mod.handshake.max_order, 5, 0):
                refresh_vmstat()
                wanted = max(mod.node_pages(node.nid)[0] - leave, 0) >> order
                alloc_many(mod, node.nid, gfp=gfp, order=order, count=wanted)


def fill_nearest(mod: TestModule, ordinary: list[Node]) -> Node:
    """take_all() of the first of these nodes, while another has room. Skips where there is no other."""
    if len(ordinary) < 2:
        pytest.skip("needs two ordinary nodes with memory of that zone")
    take_all(mod, ordinary[0])
    return ordinary[0]


@contextmanager
def only_lowest_free(mod: TestModule, node: Node, blocks: int = 8) -> Iterator[None]:
    """What is allocated on the node in here comes from its lowest free blocks (of the largest order, 4 MiB):
    compaction afterwards has somewhere to move it, which is upwards. Fragments, which may lie high up, are
    taken like the other blocks."""
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.THISNODE | mod.gfp.NOMEMALLOC
    gfp &= ~(mod.gfp.DIRECT_RECLAIM | mod.gfp.KSWAPD_RECLAIM)
    take = partial(alloc_many, mod, node.nid, gfp=gfp)
    order = mod.handshake.max_order
    with ExitStack() as stack:
        taken = stack.enter_context(take(order=order, count=node.managed_pages() >> order))
        for _cpu in each_cpu():
            stack.enter_context(take(count=node.free_pages()))
        lowest = set(sorted(pfn for one in taken for pfn in one.pfns)[:blocks])
        spare: list[Allocation] = []
        for one in taken:
            if not lowest.isdisjoint(one.pfns):
                # Had in one request, of which none can be given back alone: the same ones again, one by one.
                one.free()
                alone = [single for _ in one.pfns for single in take(order=order, count=1)]
                spare += [single for single in alone if single.pfns[0] in lowest]
                others = [single for single in alone if single.pfns[0] not in lowest]
                for single in others:
                    single.free()
                stack.enter_context(take(order=order, count=len(others)))
        for single in spare:
            single.free()
        yield


def holes(memory: Mapping) -> list[int]:
    """One page of each pair of frames is given up; the indices of the others.

    Of the pairs of 32 frames the first, of the next 32 the second: once it has gone through a few blocks in
    vain, compaction looks at every 32nd frame for free ones, and at every 8th for pages that could move.
    """
    frames = residency(memory).frames
    kept = [index for index, frame in enumerate(frames) if frame is not None and (frame ^ frame >> 5) & 1]
    for index in set(range(memory.pages)) - set(kept):
        memory.advise(MADV_DONTNEED, first=index, count=1)
    return kept


def compacted(compact: Callable[[], object]) -> int:
    """Compact an ordinary node: how many pages moved for it, whoever's. Those of a test need not be among
    them: what lies lower goes first, and may close the holes that the test has made."""
    before = vmstat()["pgmigrate_success"]
    compact()
    return vmstat()["pgmigrate_success"] - before

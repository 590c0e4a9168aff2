# SPDX-License-Identifier: GPL-2.0-only
"""SVC-01 to SVC-03: cold memory of ordinary nodes goes to a private node of a lower tier, if its owner
opened DEMOTION and as long as the owner takes it."""

import errno
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from fixtures.cgroups import MemcgFactory
from fixtures.pressure import SwapFactory, need_ram_disk
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.tiers import AGEING, Cold, ColdFactory, LowerNode
from helpers import syscalls
from helpers.constants import Mode as Policy
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import Residency
from helpers.swap import RAM_DISK
from helpers.testmod import NP_OPS_MASK, Callback, Callbacks, Mode, OnlineType, Ops, TestModule
from helpers.testmod.many import alloc_many
from helpers.wait import wait_until
from selftests.services.targets import Told

MR_DEMOTION = 8  # enum migrate_reason, include/linux/migrate_mode.h
HUGE = 512  # base pages
#: A driver may leave the moving to the kernel, or do it by itself.
WAYS = {
    "kernel": (Ops.DEMOTION, Callbacks.NONE),
    "owner": (Ops.DEMOTION, Callbacks.MIGRATE_TO),
    "migration": (Ops.DEMOTION | Ops.MIGRATION, Callbacks.MIGRATE_TO | Callbacks.FOLIO_MIGRATE),
}
by_way = pytest.mark.parametrize("way", WAYS)
#: Every set of flags that could be taken for the one, without it.
OTHERS = {
    "closed": None,
    "none": Ops.NONE,
    "policy": Ops.MIGRATION | Ops.MEMPOLICY | Ops.RECLAIM | Ops.NUMA_BALANCING | Ops.COMPACTION,
    "all-but": NP_OPS_MASK & ~(Ops.DEMOTION | Ops.MEMPOLICY),
}


def take(nid: int, pages: int) -> Iterator[None]:
    with Mapping.anonymous(pages) as memory:
        memory.bind(Policy.BIND, [nid])
        memory.touch()
        yield
        memory.verify()


def half_on(nid: int, memory: Cold) -> Callable[[Residency], bool]:
    """Most of it: some pages may wait on a CPU's list of pages to be put on the LRU."""
    return lambda found: found.counts[nid] > memory.pages // 2


@requirement("SVC-01")
def test_targets(lower_node: LowerNode, ordinary_nodes: list[Node]) -> None:
    """P is named as a target as long as the flag is set, of every ordinary node, and P is no source."""
    everywhere = {one.nid for one in ordinary_nodes}
    with Told() as told:
        node = lower_node()
        assert told.sources_of(node.nid) == set(), "closed"
        node.set_ops(Ops.DEMOTION)
        assert told.sources_of(node.nid) == everywhere, "open"
        node.set_ops(Ops.NONE)
        assert told.sources_of(node.nid) == set(), "without the flag again"
        node.set_ops(Ops.DEMOTION)
        node.clear_ops()
        assert told.sources_of(node.nid) == set(), "closed again"


@requirement("SVC-01", "ISO-24")
@pytest.mark.parametrize("flags", OTHERS.values(), ids=OTHERS)
def test_without_the_flag(lower_node: LowerNode, cold: ColdFactory, flags: Ops | None) -> None:
    node = lower_node(flags)
    memory = cold()
    found = memory.reclaim()
    assert found.present == memory.pages, f"{found}"
    assert not found.any_on(node.nid), f"{node}: {found}"
    node.set_ops(Ops.DEMOTION)
    found = memory.reclaim(half_on(node.nid, memory))
    assert found.counts[node.nid] > memory.pages // 2, f"the control, {node}: {found}"


@requirement("SVC-01")
@by_way
@pytest.mark.parametrize("thp", [False, True], ids=["base", "thp"])
def test_cold_memory_moves(lower_node: LowerNode, cold: ColdFactory, way: str, thp: bool) -> None:
    flags, callbacks = WAYS[way]
    node = lower_node(flags, callbacks=callbacks)
    memory = cold(2 * HUGE, thp=thp)
    found = memory.reclaim(half_on(node.nid, memory))
    assert found.counts[node.nid] > memory.pages // 2, f"{node}: {found}"
    assert found.present == memory.pages, f"{found}"
    assert not thp or found.huge_runs() == 2, f"{found}"
    asked = node.events(Callback.MIGRATE_TO)
    assert {event.reason for event in asked} == ({MR_DEMOTION} if callbacks else set())
    memory.verify()


@requirement("SVC-01")
@pytest.mark.parametrize("online", [OnlineType.MOVABLE, OnlineType.KERNEL])
def test_losing_the_flag(lower_node: LowerNode, cold: ColdFactory, online: OnlineType) -> None:
    """What is there stays there, and nothing follows."""
    node = lower_node(Ops.DEMOTION, online=online)
    first, second = cold(), cold()
    before = first.reclaim(half_on(node.nid, first))
    assert before.counts[node.nid] > first.pages // 2, f"{node}: {before}"
    node.set_ops(Ops.NONE)
    found = second.reclaim()
    assert not found.any_on(node.nid), f"{node}: {found}"
    assert first.where().frames == before.frames, f"{node}: {before}, now {first.where()}"
    first.verify()
    second.verify()


def read_through(nbytes: int) -> Iterator[None]:
    """Page cache that nobody maps: of the RAM disk, by read()."""
    with open(RAM_DISK, "rb", buffering=0) as disk:
        left = nbytes
        while left > 0:
            left -= len(disk.read(min(left, 1 << 20)))
        yield


@requirement("SVC-01", "ISO-21")
def test_page_cache_does_not_come(lower_node: LowerNode, child: ChildFactory, memcg: MemcgFactory) -> None:
    """Unmapped page cache is dropped, or stays, while memory of the same task moves."""
    need_ram_disk(16 * HUGE * PAGE_SIZE)
    node, group = lower_node(Ops.DEMOTION), memcg()
    child.start(read_through, 16 * HUGE * PAGE_SIZE, cgroup=group).step()
    before = group.memory_stat()["file"]
    assert before >= 8 * HUGE * PAGE_SIZE, f"{before} bytes of page cache"
    for _attempt in range(AGEING):
        with suppress(OSError):  # EAGAIN
            group.reclaim(group.memory_current)
    after, stat = group.memory_stat()["file"], node.node.vmstat()
    assert stat["nr_inactive_anon"] + stat["nr_active_anon"], f"the control: nothing came to {node}"
    assert after < before, f"the control: {before} bytes of page cache, then {after}"
    assert not stat["nr_file_pages"], f"{stat['nr_file_pages']} pages of page cache on {node}"


@requirement("SVC-01")
@pytest.mark.disruptive
def test_kswapd(
    lower_node: LowerNode, cold: ColdFactory, second_ordinary_node: Node, child: ChildFactory, mod: TestModule
) -> None:
    """An ordinary node that runs short has its kswapd demote, whose memory it may be."""
    node, short = lower_node(Ops.DEMOTION | Ops.MIGRATION), second_ordinary_node
    high = sum(zone.watermarks.high for zone in short.zones())
    memory = cold(8 * HUGE, nid=short.nid)
    before = short.vmstat()["pgdemote_kswapd"]
    gfp = (mod.gfp.HIGHUSER_MOVABLE | mod.gfp.THISNODE) & ~(mod.gfp.DIRECT_RECLAIM | mod.gfp.KSWAPD_RECLAIM)
    with alloc_many(mod, short.nid, gfp=gfp, count=short.free_pages() - 2 * high) as taken:
        child.start(take, short.nid, 2 * high).step()
        wait_until(
            lambda: short.vmstat()["pgdemote_kswapd"] > before, 30,
            lambda: f"{taken}: {short} has {short.free_pages()} free pages of {high}; {memory.where()}",
        )  # fmt: skip
    assert node.free_pages() < node.managed_pages(), f"demoted, but not to {node}"
    memory.verify()
    node.unplug()  # back to ordinary memory with what is of others


def to_swap(found: Residency) -> bool:
    return found.swapped > 0


@requirement("SVC-02")
@by_way
def test_blocked_goes_to_swap(lower_node: LowerNode, cold: ColdFactory, swap: SwapFactory, way: str) -> None:
    swap()
    flags, callbacks = WAYS[way]
    node = lower_node(flags, callbacks=callbacks)
    node.mod.block(node.nid, True)
    memory = cold(swap_max="max")
    found = memory.reclaim(to_swap)
    assert found.swapped, f"{node}, blocked: {found}"
    assert not found.any_on(node.nid), f"{node}, blocked: {found}"
    assert not node.counters().calls[Callback.MIGRATE_TO], "the owner was asked all the same"
    node.mod.block(node.nid, False)
    fresh = cold(swap_max="max")
    found = fresh.reclaim(half_on(node.nid, fresh))
    assert found.counts[node.nid] > fresh.pages // 2, f"{node}, released: {found}"
    memory.verify()
    fresh.verify()


@requirement("SVC-02")
def test_blocked_stays_without_swap(lower_node: LowerNode, cold: ColdFactory) -> None:
    node = lower_node(Ops.DEMOTION)
    memory = cold()
    found = memory.reclaim(half_on(node.nid, memory))
    moved = found.counts[node.nid]
    assert moved, f"the control, {node}: {found}"
    node.mod.block(node.nid, True)
    fresh = cold()
    found = fresh.reclaim()
    assert found.present == fresh.pages, f"{node}, blocked: {found}"
    assert not found.any_on(node.nid), f"{node}, blocked: {found}"
    assert memory.where().counts[node.nid] >= moved, f"what was there left: {memory.where()}"


@requirement("SVC-02a")
@pytest.mark.parametrize("way", ["move_pages", "write", "swap", "unplug"])
def test_blocked_lets_go(
    lower_node: LowerNode, cold: ColdFactory, swap: SwapFactory, ordinary_node: Node, way: str
) -> None:
    """Back-pressure is about what comes: a device that is short of room wants its pages to leave."""
    swap()
    node = lower_node(
        Ops.DEMOTION | Ops.MIGRATION | Ops.RECLAIM | (Ops.PROTECT_WRITE if way == "write" else Ops.NONE)
    )
    memory = cold(then=written if way == "write" else verified)
    found = memory.reclaim(half_on(node.nid, memory))
    there = found.counts[node.nid]
    assert there > memory.pages // 2, f"{node}: {found}"
    node.mod.block(node.nid, True)
    if way == "move_pages":
        addrs = [memory.addr + index * PAGE_SIZE for index, nid in enumerate(found.nodes) if nid == node.nid]
        moved = syscalls.move_pages(memory.worker.pid, addrs, [ordinary_node.nid] * len(addrs))
        assert moved == [ordinary_node.nid] * len(addrs), f"{node}, blocked: {moved[:8]}"
    elif way == "write":
        memory.step()
    elif way == "swap":
        memory.group.set_memory(swap_max="max")
        memory.reclaim(lambda found: not found.any_on(node.nid))
    else:
        node.unplug()
    found = memory.where()
    assert found.counts[node.nid] == 0, f"blocked, by {way}: {there} pages there, then {found}"
    assert found.present + found.swapped == memory.pages, f"{found}"
    memory.verify()


def verified(memory: Mapping) -> Iterator[None]:
    memory.verify(full=True)
    yield


def written(memory: Mapping) -> Iterator[None]:
    memory.touch(2, full=True)
    yield
    memory.verify(2, full=True)


#: What migrate_to does in place of moving the folios.
REFUSALS = {
    "errno": (Mode.ERRNO, errno.EBUSY),
    "nodev": (Mode.ERRNO, errno.ENODEV),
    "partial": (Mode.PARTIAL, 3),
}


@requirement("SVC-03")
@pytest.mark.parametrize("refusal", REFUSALS)
def test_refused_goes_to_swap(
    lower_node: LowerNode, cold: ColdFactory, swap: SwapFactory, refusal: str
) -> None:
    """Under a limit, which has to be met: what the owner did not take is swapped, and all of it is there."""
    swap()
    node = lower_node(Ops.DEMOTION, callbacks=Callbacks.MIGRATE_TO)
    mode, value = REFUSALS[refusal]
    node.program(Callback.MIGRATE_TO, mode, value)
    memory = cold(2 * HUGE, swap_max="max")
    memory.group.set_memory(max=memory.group.memory_current - HUGE * PAGE_SIZE)
    found = memory.where()
    assert found.swapped, f"{node}: {found}"
    assert node.counters().calls[Callback.MIGRATE_TO], f"the owner was not asked; {found}"
    assert found.any_on(node.nid) is (mode is Mode.PARTIAL), f"{node}: {found}"
    assert found.present + found.swapped == memory.pages, f"{found}"
    memory.group.set_memory(max="max")
    memory.verify()

# SPDX-License-Identifier: GPL-2.0-only
"""ISO-24: what moves pages on its own account. Each is seen at work on ordinary memory; P, empty and near,
closed or open for policies and migration, gets nothing of it."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from fixtures.cgroups import MemcgFactory
from fixtures.knobs import KnobSetter
from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode, PrivateRange
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers.constants import MADV_COLLAPSE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import frames, residency, residency_of
from helpers.testmod import Kind, OnlineType, TestModule
from helpers.wait import wait_until
from selftests.isolation import damon
from selftests.isolation.world import assert_untouched, compacted, holes, only_lowest_free

HUGE = 512  # base pages
KHUGEPAGED = "/sys/kernel/mm/transparent_hugepage/khugepaged"
BALANCING = "/sys/kernel/debug/sched/numa_balancing"
#: Beyond ordinary DRAM's abstract distance (512 to 639): a lower memory tier.
FAR = 4000
#: Times to ask for reclaim: the first ones may do no more than age the pages.
AGEING = 5


def on_node(memory: Mapping, nid: int) -> Mapping:
    """Touch the memory bound to a node, and leave it without a policy."""
    memory.bind(Mode.BIND, [nid])
    memory.touch()
    memory.bind(Mode.DEFAULT, ())
    found = residency(memory)
    assert found.all_on(nid), f"{found}"
    return memory


@requirement("ISO-24")
@pytest.mark.disruptive
def test_compaction(private: PrivateNode, anon: AnonFactory, far_ordinary: Node, mod: TestModule) -> None:
    with only_lowest_free(mod, far_ordinary):
        memory = on_node(anon(8 * HUGE), far_ordinary.nid)
    holes(memory)
    moved = compacted(lambda: (far_ordinary.path / "compact").write_text("1"))
    found = residency(memory)
    assert moved, f"nothing was compacted on {far_ordinary}: {found}"
    assert set(found.counts) == {far_ordinary.nid}, f"{moved} pages moved: {found}"
    assert_untouched(private)


@pytest.fixture
def splintered(anon: AnonFactory, ordinary_nodes: list[Node]) -> Mapping:
    """Huge page sized memory in base pages, half of them on D and half on D2: no node is the obvious one."""
    memory = anon(2 * HUGE, thp=True)
    memory.advise(MADV_NOHUGEPAGE)
    memory.bind(Mode.INTERLEAVE, [node.nid for node in ordinary_nodes])
    memory.touch()
    memory.bind(Mode.DEFAULT, ())
    assert not memory.smaps()["AnonHugePages"]
    memory.advise(MADV_HUGEPAGE)
    return memory


def assert_collapsed(memory: Mapping, private: PrivateNode, ordinary: list[Node]) -> None:
    found = residency(memory)
    assert set(found.counts) <= {node.nid for node in ordinary}, f"collapsed to {found}"
    memory.verify()
    assert_untouched(private)


@requirement("ISO-24")
def test_collapse(private: PrivateNode, splintered: Mapping, ordinary_nodes: list[Node]) -> None:
    splintered.advise(MADV_COLLAPSE)
    assert splintered.smaps()["AnonHugePages"] == splintered.nbytes, "the control: huge pages were made"
    assert_collapsed(splintered, private, ordinary_nodes)


@requirement("ISO-24")
def test_khugepaged(
    private: PrivateNode, splintered: Mapping, ordinary_nodes: list[Node], knob: KnobSetter
) -> None:
    knob(f"{KHUGEPAGED}/pages_to_scan", 1 << 20)
    knob(f"{KHUGEPAGED}/alloc_sleep_millisecs", 10)
    knob(f"{KHUGEPAGED}/scan_sleep_millisecs", 10)
    wait_until(
        lambda: splintered.smaps()["AnonHugePages"] == splintered.nbytes,
        30,
        lambda: f"khugepaged: {splintered.smaps()['AnonHugePages']} of {splintered.nbytes} bytes are huge",
    )
    assert_collapsed(splintered, private, ordinary_nodes)


@requirement("ISO-24")
def test_numa_balancing(
    private: PrivateNode, child: ChildFactory, ordinary_node: Node, far_ordinary: Node, knob: KnobSetter
) -> None:
    """Memory on the far node, used from D's CPUs: it is brought to D."""
    knob(f"{BALANCING}/scan_delay_ms", 50)
    knob(f"{BALANCING}/scan_period_min_ms", 100)
    knob("kernel.numa_balancing", 1)

    def work() -> str:
        with Mapping.anonymous(2 * HUGE) as memory:
            on_node(memory, far_ordinary.nid)

            def promoted() -> bool:
                memory.verify()
                found = residency(memory)
                assert not found.any_on(private.nid), f"on {private}: {found}"
                return found.counts[ordinary_node.nid] > memory.pages // 2

            wait_until(promoted, 40, lambda: f"pages brought to {ordinary_node}: {residency(memory)}")
            return str(residency(memory))

    child(work, cpus=set(ordinary_node.cpus()))
    assert_untouched(private)


def plug_far(target: PrivateRange, kind: Kind) -> PrivateNode:
    """Plug the range in a lower memory tier than DRAM, where demotion looks for a target."""
    target.mod.plug(
        target.nid, target.start, target.block, kind=kind, adistance=FAR,
        online_type=OnlineType.MOVABLE if kind is Kind.PRIVATE else OnlineType.OFFLINE,
    )  # fmt: skip
    part = PrivateNode(target, target.start, target.block, online=OnlineType.MOVABLE, kind=kind)
    target.parts.append(part)
    if kind is Kind.ORDINARY:
        for block in part.blocks():
            block.online("online_movable")
    return part


def keep(pages: int) -> Iterator[tuple[int, int]]:
    with Mapping.anonymous(pages) as memory:
        memory.touch()
        yield memory.addr, memory.pages
        memory.verify()


@requirement("ISO-24", "NOP-07")
@pytest.mark.parametrize("kind", [Kind.PRIVATE, Kind.ORDINARY], ids=["private", "control"])
def test_demotion(
    unplugged: PrivateRange, child: ChildFactory, memcg: MemcgFactory, knob: KnobSetter, kind: Kind
) -> None:
    """The same memory is a demotion target as ordinary memory of a lower tier, and none as a private node."""
    node = plug_far(unplugged, kind)
    knob("/sys/kernel/mm/numa/demotion_enabled", "true")
    group = memcg()
    worker = child.start(keep, 2 * HUGE, cgroup=group)
    address, pages = worker.step()
    for _attempt in range(AGEING):
        with suppress(OSError):  # EAGAIN when nothing can be reclaimed
            group.reclaim(HUGE * PAGE_SIZE)
        found = residency_of(address, pages, worker.pid)
        if found.any_on(node.nid):
            break
    assert found.any_on(node.nid) is (kind is Kind.ORDINARY), f"demoted to {node}? {found}"
    assert found.present == pages, f"{found}"
    worker.finish()


@requirement("ISO-24")
def test_offlining_an_ordinary_block(
    private: PrivateNode, second_unplugged: PrivateRange, anon: AnonFactory, ordinary_nodes: list[Node]
) -> None:
    hot_added = second_unplugged.plug_ordinary()
    memory = on_node(anon(HUGE), hot_added.nid)
    for block in hot_added.blocks():
        block.offline()
    found = residency(memory)
    assert found.present == memory.pages, f"{found}"
    assert set(found.counts) <= {node.nid for node in ordinary_nodes}, f"moved to {found}"
    memory.verify()
    assert_untouched(private)


@pytest.fixture
def huge_on_d(anon: AnonFactory, ordinary_node: Node) -> Mapping:
    """A huge page on D: a contiguous physical range of our own."""
    memory = anon(HUGE, thp=True)
    memory.bind(Mode.BIND, [ordinary_node.nid])
    memory.touch()
    memory.bind(Mode.DEFAULT, ())
    assert residency(memory).huge_runs() == 1, f"{residency(memory)}"
    return memory


def physical(memory: Mapping) -> int:
    """Address of the first page's frame."""
    (pfn,) = frames(memory.addr, 1)
    assert pfn is not None
    return pfn * PAGE_SIZE


@requirement("ISO-24")
def test_damon(closed_node: PrivateNode, huge_on_d: Mapping, ordinary_node: Node, far_ordinary: Node) -> None:
    try:
        with damon.moving(physical(huge_on_d), huge_on_d.nbytes, closed_node.nid) as mover:
            wait_until(lambda: mover.stats()["nr_tried"] >= 3, 20, lambda: f"DAMON: {mover.stats()}")
    except damon.Unsupported:
        pytest.skip("DAMON of this kernel does not move memory")
    assert residency(huge_on_d).all_on(ordinary_node.nid), f"moved to {residency(huge_on_d)}"
    assert_untouched(closed_node)
    with damon.moving(physical(huge_on_d), huge_on_d.nbytes, far_ordinary.nid):
        wait_until(
            lambda: residency(huge_on_d).all_on(far_ordinary.nid), 20,
            lambda: f"the control: moved to {far_ordinary}, is {residency(huge_on_d)}",
        )  # fmt: skip
    huge_on_d.verify()

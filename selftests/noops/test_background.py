# SPDX-License-Identifier: GPL-2.0-only
"""NOP-07, what the kernel does on its own account: reclaim, compaction, hinting, DAMON. None works on the
closed P; demotion to it is in chapter ISO."""

from collections.abc import Iterator

import pytest

from fixtures.knobs import KnobSetter
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.pressure import SwapFactory
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers.constants import MADV_COLD, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.outcome import outcome
from helpers.residency import residency
from helpers.swap import swaps
from helpers.testmod import Entry, NodeFlags, Ops, PteFlags, TestModule
from helpers.wait import wait_until
from selftests.isolation import damon
from selftests.isolation.world import compacted, holes, only_lowest_free, take_all
from selftests.noops.pages import Frozen, OnNode
from selftests.services.hints import scan_often

OPEN = Ops.MIGRATION | Ops.MEMPOLICY
#: The far node of the control is not D: of the last ordinary node the module leaves some free, and only from
#: another one do pages move to D.
apart = pytest.mark.usefixtures("second_ordinary_node")


@requirement("NOP-07")
def test_no_threads(provisioned_closed_node: PrivateNode, ordinary_node: Node, testmod: TestModule) -> None:
    threads = NodeFlags.KSWAPD | NodeFlags.KCOMPACTD
    assert not provisioned_closed_node.state().flags & threads, f"{provisioned_closed_node.state().flags!r}"
    assert testmod.node_state(ordinary_node.nid).flags & threads == threads, "the control: D has both"


def reclaim_for(mod: TestModule, nid: int, extra: int) -> int:
    """Ask for pages of a full node, in a way that may reclaim there and nowhere else. Pages that came."""
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.THISNODE | extra
    return mod.alloc(Entry.ALLOC_PAGES_NODE, nid, gfp=gfp, count=1024).pages


@requirement("NOP-07")
@apart
@pytest.mark.disruptive
def test_direct_reclaim(
    left_pages: Mapping, provisioned_closed_node: PrivateNode, anon_on: OnNode, far_ordinary: Node,
    mod: TestModule, swap: SwapFactory,
) -> None:  # fmt: skip
    """Who asks for a page of the full P gets none, rather than one of those that are swapped out for it."""
    swap()
    stay = Frozen(left_pages)
    with provisioned_closed_node.fill():
        came = reclaim_for(mod, provisioned_closed_node.nid, mod.gfp.PRIVATE)
    stay.check(f"{came} pages of the full P were asked for")
    assert came == 0
    control = anon_on(far_ordinary.nid, 2048)
    control.advise(MADV_COLD)
    take_all(mod, far_ordinary)

    def swapped_for() -> bool:
        reclaim_for(mod, far_ordinary.nid, 0)  # what is cached, or older, goes first
        return residency(control).swapped > 0

    wait_until(
        swapped_for, 30,
        lambda: f"somebody to swap the control: {residency(control)}; {far_ordinary.meminfo()}; {swaps()}",
    )  # fmt: skip
    mod.free()
    control.verify()


@requirement("NOP-07")
@pytest.mark.disruptive
def test_compaction_of_the_node(
    open_node: OpenNode, anon_on: OnNode, far_ordinary: Node, mod: TestModule
) -> None:
    """Memory with holes, left behind on P: compacting would close them up."""
    node = open_node(OPEN)
    memory = anon_on(node.nid, 2048)
    with only_lowest_free(mod, far_ordinary):
        control = anon_on(far_ordinary.nid, 4096)
    for one in (memory, control):
        holes(one)
    node.clear_ops()
    before = residency(memory).frames
    file = node.node.path / "compact"
    result = outcome(file.write_text, "1") if file.exists() else "no such file"
    assert residency(memory).frames == before, f"writing to {file}: {result}; {residency(memory)}"
    moved = compacted(lambda: (far_ordinary.path / "compact").write_text("1"))
    assert moved, f"the control: nothing was compacted on D: {residency(control)}"


@requirement("NOP-07")
@apart
def test_hinting_faults(
    open_node: OpenNode, child: ChildFactory, ordinary_node: Node, far_ordinary: Node, testmod: TestModule,
    knob: KnobSetter,
) -> None:  # fmt: skip
    """Pages on P lie between pages on D2. Those are made to fault, to see who uses them; P's are not."""
    node = open_node(OPEN)
    scan_often(knob)

    def hinted(memory: Mapping, first: int) -> int:
        pages = testmod.pages(memory.page_addr(first), 256)
        return sum(1 for page in pages if page.pte & PteFlags.PROTNONE or page.nid == ordinary_node.nid)

    def work() -> Iterator[None]:
        with Mapping.anonymous(3 * 256) as memory:
            for first, nid in ((0, far_ordinary.nid), (256, node.nid), (512, far_ordinary.nid)):
                memory.bind(Mode.BIND, [nid], first=first, count=256)
                memory.touch(first=first, count=256)
            yield
            memory.bind(Mode.DEFAULT, ())
            stay = residency(memory).nodes[256:512]
            wait_until(
                lambda: hinted(memory, 0) > 128 and hinted(memory, 512) > 128, 30,
                lambda: f"hints on both sides: {hinted(memory, 0)} and {hinted(memory, 512)} pages",
            )  # fmt: skip
            assert not hinted(memory, 256), f"{hinted(memory, 256)} pages on P are hinted or moved"
            assert residency(memory).nodes[256:512] == stay
            memory.verify()

    worker = child.start(work, cpus=set(ordinary_node.cpus()))
    worker.step()
    node.clear_ops()
    knob("kernel.numa_balancing", 1)
    worker.finish()


@requirement("NOP-07")
def test_damon_moves_nothing_from_the_node(
    open_node: OpenNode, anon: AnonFactory, ordinary_node: Node, far_ordinary: Node
) -> None:
    node = open_node(OPEN)
    memory, control = anon(512, thp=True), anon(512, thp=True)
    for one, nid in ((memory, node.nid), (control, ordinary_node.nid)):
        one.bind(Mode.BIND, [nid])
        one.touch()
        one.bind(Mode.DEFAULT, ())
        assert residency(one).all_on(nid), f"{residency(one)}"
    node.clear_ops()
    stay = Frozen(memory)
    try:
        with damon.moving(start_of(memory), memory.nbytes, far_ordinary.nid) as mover:
            wait_until(lambda: mover.stats()["nr_tried"] >= 3, 20, lambda: f"DAMON: {mover.stats()}")
    except damon.Unsupported:
        pytest.skip("DAMON of this kernel does not move memory")
    stay.check("DAMON")
    with damon.moving(start_of(control), control.nbytes, far_ordinary.nid):
        wait_until(
            lambda: residency(control).all_on(far_ordinary.nid), 20,
            lambda: f"the control moved: {residency(control)}",
        )  # fmt: skip


def start_of(memory: Mapping) -> int:
    """Physical address of the first page."""
    pfn = residency(memory).frames[0]
    assert pfn is not None
    return pfn * PAGE_SIZE

# SPDX-License-Identifier: GPL-2.0-only
"""SVC-06, SVC-07: reclaim works on P's pages with RECLAIM and never without."""

from contextlib import suppress

import pytest

from fixtures.invariants import oom_expected
from fixtures.knobs import KnobSetter
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.pressure import SwapFactory
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory
from fixtures.tiers import AGEING, ColdFactory
from helpers.constants import Mode as Policy
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Callback, Callbacks, Entry, Mode, Ops, TestModule
from helpers.testmod import Policy as Wish
from helpers.wait import wait_until
from selftests.isolation import damon
from selftests.migration.moves import moved
from selftests.oracle import placed
from selftests.services.boost import boosted_passes, with_kswapd
from selftests.services.closing import CLOSED, close_if

PAGES = 512
USABLE = Ops.MIGRATION | Ops.MEMPOLICY
CALLBACKS = Callbacks.MIGRATE_TO | Callbacks.FOLIO_MIGRATE | Callbacks.RECLAIM_POLICY
#: What a driver wants that has its node reclaimed: IO, and a boost that stays.
THOROUGH = Wish.SWAP | Wish.WRITEPAGE | Wish.WATERMARKS
FLAGS = {"closed": USABLE, "without": USABLE, "with": USABLE | Ops.RECLAIM}
by_flags = pytest.mark.parametrize("reclaim", [CLOSED, "without", "with"])


def overfill(node: int, pages: int) -> str:
    """More pages on the node than there is room for; where they are then."""
    with Mapping.anonymous(pages) as memory:
        memory.bind(Policy.BIND, [node])
        memory.touch(full=True)
        found = residency(memory)
        assert found.counts[node] + found.swapped == pages, f"{found}"
        memory.verify(full=True)
        return str(found)


@requirement("SVC-06")
@oom_expected
@pytest.mark.parametrize("reclaim", ["without", "with"])
def test_direct_reclaim(open_node: OpenNode, child: ChildFactory, swap: SwapFactory, reclaim: str) -> None:
    """A task that takes twice what is free of P has its own pages swapped, or fails."""
    swap()
    node = open_node(FLAGS[reclaim])
    with node.fill(leave=PAGES, reserves=True):
        worker = child.start(overfill, node.nid, 2 * PAGES)
        if FLAGS[reclaim] & Ops.RECLAIM:
            assert "swapped" in worker.finish(), "nothing was swapped"
        else:
            with pytest.raises(ChildDied):
                worker.finish()


@requirement("SVC-06")
@by_flags
def test_boosted_kswapd(open_node: OpenNode, cold: ColdFactory, swap: SwapFactory, reclaim: str) -> None:
    """A boost that is met already, and an owner who wants pages out nevertheless."""
    swap()
    node = open_node(FLAGS[reclaim], callbacks=CALLBACKS)
    node.program(Callback.RECLAIM_POLICY, Mode.POLICY, THOROUGH)
    memory = cold(PAGES, nid=node.nid, swap_max="max")
    close_if(node, reclaim)
    with with_kswapd(node):
        if FLAGS[reclaim] & Ops.RECLAIM:
            boosted_passes(
                node, 2 * PAGES, lambda: memory.where().swapped > PAGES // 2, lambda: f"{memory.where()}"
            )
        else:
            with suppress(TimeoutError):  # the first passes would do no more than age the pages
                boosted_passes(
                    node, node.managed_pages(), lambda: memory.where().swapped, "pages to be swapped", 5
                )
            assert memory.where().all_on(node.nid), f"{node}: {memory.where()}"
    memory.verify()


@requirement("SVC-06")
def test_losing_the_flag(open_node: OpenNode, cold: ColdFactory, swap: SwapFactory) -> None:
    """A kswapd that runs on a node that has closed to it does nothing more."""
    swap()
    node = open_node(FLAGS["with"], callbacks=CALLBACKS)
    node.program(Callback.RECLAIM_POLICY, Mode.POLICY, THOROUGH)
    first, second = (cold(PAGES, nid=node.nid, swap_max="max") for _ in range(2))
    with with_kswapd(node):
        boosted_passes(node, PAGES, lambda: first.where().swapped + second.where().swapped > 0, "the control")
        node.set_ops(USABLE, CALLBACKS)
        before = first.where().swapped + second.where().swapped
        node.mod.kswapd_wake(node.nid, node.managed_pages())
        with pytest.raises(TimeoutError):
            wait_until(lambda: first.where().swapped + second.where().swapped > before, 3, "more swapped")
    first.verify()
    second.verify()


@requirement("SVC-06")
@by_flags
def test_node_reclaim(
    open_node: OpenNode, anon: AnonFactory, alloc: AllocFactory, mod: TestModule, ordinary_node: Node,
    knob: KnobSetter, swap: SwapFactory, reclaim: str,
) -> None:  # fmt: skip
    """vm.zone_reclaim_mode has a full node reclaimed before another is looked at: page cache, what is shared
    counts as that, by swapping too."""
    swap()
    node = open_node(FLAGS[reclaim])
    memory = moved(mod, placed(anon(2 * PAGES, shared=True), ordinary_node.nid), node.nid)
    close_if(node, reclaim)
    knob("vm.zone_reclaim_mode", 7)
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE
    with node.fill():
        taken = [alloc(Entry.ALLOC_PAGES_NODE, node, gfp=gfp, count=16) for _attempt in range(AGEING)]
        found = residency(memory)
        got = [one.count if one else 0 for one in taken]
    if FLAGS[reclaim] & Ops.RECLAIM:
        assert found.counts[node.nid] < memory.pages, f"{node}: {found}; pages had: {got}"
        assert sum(got) > 0, f"{node}: no room was made: {found}"
    else:
        assert found.all_on(node.nid), f"{node}: {found}; pages had: {got}"
        assert sum(got) == 0, f"{node}: {got} pages of a full node"
    memory.verify()


@requirement("SVC-06")
@by_flags
def test_pages_that_damon_chose(
    open_node: OpenNode, anon: AnonFactory, ordinary_node: Node, swap: SwapFactory, reclaim: str
) -> None:
    """Reclaim of single folios, which looks at no watermark."""
    swap()
    node = open_node(FLAGS[reclaim])
    memory, control = (placed(anon(PAGES, thp=True), nid) for nid in (node.nid, ordinary_node.nid))
    assert residency(memory).all_on(node.nid), f"{residency(memory)}"
    close_if(node, reclaim)
    try:
        with damon.paging_out(*damon.span(memory)) as thread:
            if FLAGS[reclaim] & Ops.RECLAIM:
                wait_until(lambda: residency(memory).swapped, 20, lambda: f"swapped: {residency(memory)}")
            else:
                wait_until(lambda: thread.stats()["nr_tried"] >= 3, 20, lambda: f"DAMON: {thread.stats()}")
                assert residency(memory).all_on(node.nid), f"{node}: {residency(memory)}"
    except damon.Unsupported:
        pytest.skip("needs a DAMON that pages out")
    memory.verify()
    with damon.paging_out(*damon.span(control)):
        wait_until(lambda: residency(control).swapped, 20, lambda: f"the control: {residency(control)}")
    control.verify()


@requirement("SVC-07")
@pytest.mark.parametrize("reclaim", FLAGS)
def test_cgroup_reclaim(
    open_node: OpenNode, cold: ColdFactory, swap: SwapFactory, ordinary_node: Node, reclaim: str
) -> None:
    swap()
    node: PrivateNode = open_node(FLAGS[reclaim])
    memory, control = (
        cold(PAGES, nid=node.nid, swap_max="max"),
        cold(PAGES, nid=ordinary_node.nid, swap_max="max"),
    )
    found = control.reclaim(lambda found: found.swapped > 0)
    assert found.swapped, f"the control: {found}"
    close_if(node, reclaim)
    found = memory.reclaim(lambda found: found.swapped > PAGES // 2)
    if FLAGS[reclaim] & Ops.RECLAIM:
        assert found.swapped > PAGES // 2, f"{node}: {found}"
    else:
        assert found.all_on(node.nid), f"{node}: {found}"
    memory.verify()


@requirement("SVC-07")
def test_cgroup_limit(open_node: OpenNode, cold: ColdFactory, swap: SwapFactory) -> None:
    """A limit is met by swapping pages of P, where its owner allows that."""
    swap()
    node = open_node(FLAGS["with"])
    memory = cold(PAGES, nid=node.nid, swap_max="max")
    memory.group.set_memory(max=memory.group.memory_current // 2)
    found = memory.where()
    assert found.swapped, f"{node}: {found}"
    memory.group.set_memory(max="max")
    memory.verify()

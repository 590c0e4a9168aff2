# SPDX-License-Identifier: GPL-2.0-only
"""SVC-06, SVC-07: reclaim works on P's pages with RECLAIM and never without."""

import pytest

from fixtures.invariants import oom_expected
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.pressure import SwapFactory
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from fixtures.tiers import ColdFactory
from helpers.constants import Mode as Policy
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Callback, Callbacks, Mode, Ops
from helpers.testmod import Policy as Wish
from helpers.wait import wait_until
from selftests.services.boost import boosted_passes, with_kswapd

PAGES = 512
USABLE = Ops.MIGRATION | Ops.MEMPOLICY
CALLBACKS = Callbacks.MIGRATE_TO | Callbacks.FOLIO_MIGRATE | Callbacks.RECLAIM_POLICY
#: What a driver wants that has its node reclaimed: IO, and a boost that stays.
THOROUGH = Wish.SWAP | Wish.WRITEPAGE | Wish.WATERMARKS
FLAGS = {"without": USABLE, "with": USABLE | Ops.RECLAIM}


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
@pytest.mark.parametrize("reclaim", FLAGS)
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
@pytest.mark.parametrize("reclaim", FLAGS)
def test_boosted_kswapd(open_node: OpenNode, cold: ColdFactory, swap: SwapFactory, reclaim: str) -> None:
    """A boost that is met already, and an owner who wants pages out nevertheless."""
    swap()
    node = open_node(FLAGS[reclaim], callbacks=CALLBACKS)
    node.program(Callback.RECLAIM_POLICY, Mode.POLICY, THOROUGH)
    memory = cold(PAGES, nid=node.nid, swap_max="max")
    with with_kswapd(node):
        if FLAGS[reclaim] & Ops.RECLAIM:
            boosted_passes(
                node, 2 * PAGES, lambda: memory.where().swapped > PAGES // 2, lambda: f"{memory.where()}"
            )
        else:
            node.mod.kswapd_wake(node.nid, node.managed_pages())
            with pytest.raises(TimeoutError):
                wait_until(lambda: memory.where().swapped, 3, "pages to be swapped")
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

# SPDX-License-Identifier: GPL-2.0-only
"""SVC-08, CBK-11, CBK-11a: the boost of P's watermarks, whose it is, and what reclaim_policy says."""

import pytest

from fixtures.knobs import KnobSetter
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.pressure import SwapFactory
from fixtures.requirement import requirement
from fixtures.tiers import ColdFactory
from helpers.knobs import sysctl
from helpers.testmod import Callback, Callbacks, Mode, Ops
from helpers.testmod import Policy as Wish
from helpers.wait import wait_until
from selftests.services.boost import boost_of, boosted_passes, with_kswapd

PAGES = 512
BOOST = 1000
OPEN = Ops.MIGRATION | Ops.MEMPOLICY | Ops.RECLAIM
CALLBACKS = Callbacks.MIGRATE_TO | Callbacks.FOLIO_MIGRATE | Callbacks.RECLAIM_POLICY
MIN_FREE = "vm.min_free_kbytes"


def watched(open_node: OpenNode, wish: Wish, flags: Ops = OPEN) -> PrivateNode:
    node = open_node(flags, callbacks=CALLBACKS)
    if wish:
        node.program(Callback.RECLAIM_POLICY, Mode.POLICY, wish)
    return node


def asked(node: PrivateNode) -> int:
    return node.counters().calls[Callback.RECLAIM_POLICY]


@requirement("SVC-08")
@pytest.mark.parametrize("wish", [Wish.WATERMARKS, Wish.NONE], ids=["managed", "unmanaged"])
def test_recomputed(open_node: OpenNode, knob: KnobSetter, wish: Wish) -> None:
    node = watched(open_node, wish)
    node.mod.kswapd_wake(node.nid, BOOST)
    knob(MIN_FREE, int(sysctl(MIN_FREE).read()) + 512)
    assert boost_of(node) == (BOOST if wish else 0), f"{node}: {node.node.zones()}"
    for zone in node.node.zones():
        # shown with the boost on top, which must not be in them as well
        marks = zone.watermarks
        assert marks.high - marks.low < BOOST, f"{zone}"
        assert marks.low - marks.boost < BOOST, f"{zone}"
    node.mod.kswapd_wake(node.nid, 0)


@requirement("SVC-08")
@pytest.mark.parametrize("wish", [Wish.WATERMARKS, Wish.NONE], ids=["managed", "unmanaged"])
def test_after_a_pass_of_kswapd(
    open_node: OpenNode, swap: SwapFactory, cold: ColdFactory, wish: Wish
) -> None:
    swap()
    node = watched(open_node, wish)
    memory = cold(PAGES, nid=node.nid, swap_max="max")
    with with_kswapd(node):
        node.reset_counters()
        boosted_passes(node, BOOST, lambda: asked(node), "kswapd to ask the owner about a boost")
        if wish:
            with pytest.raises(TimeoutError):
                wait_until(lambda: boost_of(node) != BOOST, 2, "another boost than the owner's")
        else:
            wait_until(
                lambda: not boost_of(node), 10, lambda: f"{node} still has a boost of {boost_of(node)}"
            )
    memory.verify()


@requirement("SVC-08")
def test_ending_the_registration(open_node: OpenNode, knob: KnobSetter) -> None:
    """Once the node is closed nobody manages the boost, so the kernel may end it."""
    node = watched(open_node, Wish.WATERMARKS)
    node.mod.kswapd_wake(node.nid, BOOST)
    node.clear_ops()
    knob(MIN_FREE, int(sysctl(MIN_FREE).read()) + 512)
    assert not boost_of(node), f"{node}: {node.node.zones()}"


@requirement("CBK-11")
def test_asked_when_recomputed(open_node: OpenNode, knob: KnobSetter) -> None:
    node = watched(open_node, Wish.NONE)
    node.reset_counters()
    knob(MIN_FREE, int(sysctl(MIN_FREE).read()) + 512)
    assert asked(node), f"{node}: the owner was not asked"
    node.set_ops(OPEN & ~Ops.RECLAIM, CALLBACKS)
    node.reset_counters()
    knob(MIN_FREE, int(sysctl(MIN_FREE).read()) + 512)
    assert not asked(node), f"{node}: asked without RECLAIM"


@requirement("CBK-11a")
def test_each_owner_is_asked_about_its_own_node(
    open_node: OpenNode, second_open_node: OpenNode, knob: KnobSetter
) -> None:
    """When all watermarks are recomputed each owner is asked once a zone with memory, by its own number."""
    nodes = [watched(opener, Wish.NONE) for opener in (open_node, second_open_node)]
    for node in nodes:
        node.reset_counters()
    knob(MIN_FREE, int(sysctl(MIN_FREE).read()) + 512)
    for node in nodes:
        told = [event.nid for event in node.events(Callback.RECLAIM_POLICY)]
        assert told, f"{node}: the owner was not asked"
        assert set(told) == {node.nid}, f"{node}: asked about nodes {told}"


@requirement("CBK-11a")
def test_a_boost_is_a_matter_of_one_owner(
    open_node: OpenNode, second_open_node: OpenNode, swap: SwapFactory, cold: ColdFactory
) -> None:
    """kswapd of the one node asks nobody else, and what the other one wants is not done to it."""
    swap()
    node, other = watched(open_node, Wish.NONE), watched(second_open_node, Wish.SWAP | Wish.WRITEPAGE)
    memory = cold(PAGES, nid=node.nid, swap_max="max")
    with with_kswapd(node):
        node.reset_counters()
        other.reset_counters()
        boosted_passes(node, BOOST, lambda: asked(node) > 5, "kswapd to ask the owner")
        assert not asked(other), f"{other}: asked {asked(other)} times about {node}"
        assert {event.nid for event in node.events(Callback.RECLAIM_POLICY)} == {node.nid}
        assert memory.where().all_on(node.nid), f"{node}: {memory.where()}"
    memory.verify()


#: What the owner wants, and whether boosted reclaim then swaps pages of a node that has room enough.
WISHES = {
    "nothing": (Wish.NONE, False),
    "swap": (Wish.SWAP | Wish.WRITEPAGE, True),
    "writepage": (Wish.WRITEPAGE, False),  # what is dirty may be written, but memory is not swapped for that
    "watermarks": (Wish.WATERMARKS, False),
}


@requirement("CBK-11")
@pytest.mark.parametrize("wanted", WISHES)
def test_widened(open_node: OpenNode, swap: SwapFactory, cold: ColdFactory, wanted: str) -> None:
    """Boosted reclaim of a node with room enough swaps only if the owner wants it."""
    swap()
    wish, swaps = WISHES[wanted]
    node = watched(open_node, wish)
    memory = cold(PAGES, nid=node.nid, swap_max="max")
    with with_kswapd(node):
        node.reset_counters()
        if swaps:
            boosted_passes(
                node, BOOST, lambda: memory.where().swapped > PAGES // 2, lambda: f"{memory.where()}"
            )
        else:
            boosted_passes(node, BOOST, lambda: asked(node) > 5, "kswapd to ask the owner")
            assert memory.where().all_on(node.nid), f"{node}: {memory.where()}"
    memory.verify()


@requirement("CBK-11")
def test_never_narrowed(open_node: OpenNode, swap: SwapFactory, cold: ColdFactory) -> None:
    """A node that is short of free pages is reclaimed whatever the owner says."""
    swap()
    node = watched(open_node, Wish.NO_SWAP | Wish.NO_WRITEPAGE | Wish.NO_WATERMARKS)
    memory = cold(PAGES, nid=node.nid, swap_max="max")
    with with_kswapd(node):
        boosted_passes(
            node,
            node.managed_pages(),
            lambda: memory.where().swapped > PAGES // 2,
            lambda: f"{memory.where()}",
        )
    memory.verify()

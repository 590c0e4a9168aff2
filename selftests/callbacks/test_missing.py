# SPDX-License-Identifier: GPL-2.0-only
"""CBK-14: an owner that left callbacks out is asked for none of them. Only MIGRATION needs some; with other
flags each may be missing, and the kernel does what it would do for ordinary memory, or nothing."""

from collections.abc import Iterator

import pytest

from fixtures.knobs import KnobSetter
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode, stable_free_pages
from fixtures.pressure import SwapFactory
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.tiers import ColdFactory, LowerNode
from helpers.knobs import sysctl
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Callbacks, Ops, TestModule
from selftests.callbacks.poison import frame, heal, inject, need_injection
from selftests.callbacks.test_folio_split import orders, split
from selftests.filters.kinds import KINDS, OPEN, bound
from selftests.services.boost import with_kswapd

MIN_FREE = "vm.min_free_kbytes"
#: Flags that need no callback.
ALL = Ops.DEMOTION | Ops.PROTECT_WRITE | Ops.RECLAIM | Ops.LONGTERM_PIN
FLAGS = {
    "none": Ops.NONE,
    "demotion": Ops.DEMOTION,
    "protect-write": Ops.PROTECT_WRITE,
    "reclaim": Ops.RECLAIM,
    "longterm-pin": Ops.LONGTERM_PIN,
    "all": ALL,
}
by_flags = pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)


def silent(node: PrivateNode) -> None:
    """The module was never called: not even by what an earlier set of ops would have had it called for."""
    assert not node.counters().calls, f"{node}: {node.counters().calls}"


@pytest.fixture(params=["base", "huge"])
def memory(request: pytest.FixtureRequest, open_node: OpenNode, anon: AnonFactory) -> Mapping:
    """Pages on P, which is open as far as to get them there."""
    node = open_node(OPEN)
    return bound(anon(**KINDS[request.param]), node.nid)


@pytest.fixture
def deaf(memory: Mapping, open_node: OpenNode, flags: Ops) -> PrivateNode:
    """P with the flags and no callback at all, once the pages are there."""
    node = open_node(flags, callbacks=Callbacks.NONE)
    node.reset_counters()
    assert residency(memory).all_on(node.nid), f"{residency(memory)}"
    return node


@requirement("CBK-14")
@by_flags
def test_written_and_freed(deaf: PrivateNode, memory: Mapping, child: ChildFactory) -> None:
    """By a forked child, by the task itself, and in the end by munmap() of what is left."""
    before = stable_free_pages(deaf)

    def work() -> None:
        memory.touch(2)
        memory.verify(2)

    child(work)
    memory.verify()
    memory.touch(3)
    memory.verify(3)
    memory.close()
    assert stable_free_pages(deaf) > before, f"{deaf}: nothing was freed"
    silent(deaf)


@requirement("CBK-14")
@by_flags
@pytest.mark.parametrize("memory", ["huge"], indirect=True)
def test_split(deaf: PrivateNode, memory: Mapping, mod: TestModule) -> None:
    split(memory, 0)
    assert orders(mod, memory) == {0}, f"not split: {orders(mod, memory)}"
    memory.verify()
    silent(deaf)


@requirement("CBK-14")
@by_flags
@pytest.mark.parametrize("memory", ["base"], indirect=True)
@pytest.mark.disruptive
def test_hardware_error(deaf: PrivateNode, memory: Mapping) -> None:
    """Normal handling is all there is: the page is gone for its task."""
    need_injection()
    pfn = frame(memory, 5)
    try:
        inject(pfn)
        assert residency(memory).frames[5] != pfn, "the bad page is still mapped"
        memory.verify(first=6)
        silent(deaf)
    finally:
        memory.close()
        heal(pfn)


@requirement("CBK-14")
@by_flags
def test_watermarks_and_kswapd(deaf: PrivateNode, memory: Mapping, knob: KnobSetter) -> None:
    """Nobody is there to be asked about reclaim."""
    with with_kswapd(deaf):
        deaf.mod.kswapd_wake(deaf.nid, 1000)
        knob(MIN_FREE, int(sysctl(MIN_FREE).read()) + 512)
    memory.verify()
    silent(deaf)


@requirement("CBK-14")
@by_flags
@pytest.mark.parametrize("way", ["demotion", "swap"])
def test_reclaim(
    lower_node: LowerNode, cold: ColdFactory, swap: SwapFactory, ordinary_nodes: list[Node], flags: Ops,
    way: str,
) -> None:  # fmt: skip
    """Cold pages come by demotion only with its flag, by the kernel's own means, and go to swap or stay."""
    swap()
    node = lower_node(flags, callbacks=Callbacks.NONE)
    memory = cold(swap_max=0 if way == "demotion" else "max", then=rewritten)
    found = memory.reclaim()
    came = found.any_on(node.nid)
    if way == "demotion":
        assert came is bool(flags & Ops.DEMOTION), f"{node}: {found}"
    assert not found.elsewhere(node.nid, *(one.nid for one in ordinary_nodes)), f"{node}: {found}"
    assert found.present + found.swapped == memory.pages, f"{node}: {found}"
    memory.step()
    memory.verify()
    silent(node)


def rewritten(memory: Mapping) -> Iterator[None]:
    memory.verify(full=True)
    memory.touch(2, full=True)
    yield
    memory.verify(2, full=True)

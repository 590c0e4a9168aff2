# SPDX-License-Identifier: GPL-2.0-only
"""FLT-02 and FLT-04: advice about what to reclaim next says nothing about pages on P."""

import os
from collections.abc import Callable, Iterator

import pytest

from fixtures.nodes import PrivateNode
from fixtures.pressure import SwapFactory
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import MADV_COLD, MADV_COLLAPSE, MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import Level, PteFlags, TestModule
from selftests.filters.kinds import KINDS, OnNode, bound
from selftests.noops.pages import Frozen
from selftests.oracle import Span


def advise(memory: Mapping, advice: int) -> None:
    memory.advise(advice)


def advise_by_pidfd(memory: Mapping, advice: int) -> None:
    pidfd = os.pidfd_open(os.getpid())
    try:
        syscalls.process_madvise(pidfd, [(memory.addr, memory.nbytes)], advice)
    finally:
        os.close(pidfd)


by_call = pytest.mark.parametrize(
    "call",
    [
        pytest.param(advise, id="madvise", marks=requirement("FLT-02")),
        pytest.param(advise_by_pidfd, id="process_madvise", marks=requirement("FLT-04")),
    ],
)
Advise = Callable[[Mapping, int], None]


def young(mod: TestModule, memory: Mapping) -> int:
    return sum(1 for page in mod.pages(memory.addr, memory.pages) if page.pte & PteFlags.YOUNG)


@by_call
def test_pageout(
    held: Mapping, memory_on: OnNode, ordinary_node: Node, swap: SwapFactory, call: Advise
) -> None:
    swap(16 << 20)
    stay, control = Frozen(held), memory_on(ordinary_node.nid)
    assert outcome(call, held, MADV_PAGEOUT) == OK
    assert not residency(held).swapped, f"{residency(held)}"
    stay.check("MADV_PAGEOUT")
    call(control, MADV_PAGEOUT)
    assert residency(control).absent > control.pages // 2, f"the control: {residency(control)}"
    control.verify()


@by_call
def test_cold(held: Mapping, memory_on: OnNode, ordinary_node: Node, mod: TestModule, call: Advise) -> None:
    stay, control = Frozen(held), memory_on(ordinary_node.nid)
    for one in (held, control):
        one.verify()
        assert young(mod, one) == one.pages, "looked at just now"
    assert outcome(call, held, MADV_COLD) == OK
    call(control, MADV_COLD)
    assert young(mod, control) == 0, f"the control: {young(mod, control)} pages are not cold"
    assert young(mod, held) == held.pages, f"{held.pages - young(mod, held)} pages on P were aged"
    stay.check("MADV_COLD")


@requirement("FLT-02")
@pytest.mark.parametrize("kind", ["huge"])
@pytest.mark.parametrize("advice", [MADV_COLD, MADV_PAGEOUT], ids=["cold", "pageout"])
def test_advice_on_a_part_splits_no_huge_page(
    held: Mapping, memory_on: OnNode, ordinary_node: Node, mod: TestModule, swap: SwapFactory, advice: int
) -> None:
    swap(16 << 20)
    stay, control = Frozen(held), memory_on(ordinary_node.nid)
    for one in (held, control):
        one.advise(advice, first=8, count=8)
    levels = {page.level for page in mod.pages(held.addr, held.pages)}
    assert levels == {Level.PMD}, f"the huge page on P is mapped by {levels}"
    stay.check("advice on a part of it")
    assert mod.pages(control.addr, 1)[0].level is Level.PTE, "the control is not split"


@requirement("FLT-02")
@pytest.mark.parametrize("kind", ["base"])
def test_pages_on_both_nodes_in_one_range(
    p: PrivateNode, memory_on: OnNode, ordinary_node: Node, swap: SwapFactory
) -> None:
    """Every other page is on P: those stay, the ones between them go."""
    swap(16 << 20)
    memory = memory_on(ordinary_node.nid)
    odd = memory.addrs()[1::2]
    syscalls.move_pages(0, odd, [p.nid] * len(odd))
    memory.advise(MADV_PAGEOUT)
    nodes = residency(memory).nodes
    assert nodes[1::2] == [p.nid] * len(odd), f"{residency(memory)}"
    assert nodes[::2].count(None) > len(odd) // 2, f"the control: {residency(memory)}"
    memory.verify()


@requirement("FLT-04")
@pytest.mark.parametrize("kind", ["base", "huge"])
@pytest.mark.parametrize("advice", [MADV_COLD, MADV_PAGEOUT], ids=["cold", "pageout"])
def test_advice_about_another_process(
    p: PrivateNode, ordinary_node: Node, child: ChildFactory, mod: TestModule, swap: SwapFactory, kind: str,
    advice: int,
) -> None:  # fmt: skip
    swap(16 << 20)

    def work(nid: int) -> Iterator[Span]:
        with Mapping.anonymous(**KINDS[kind]) as memory:
            bound(memory, nid)
            yield Span(memory.addr, memory.pages)
            memory.verify()

    def changed(nid: int) -> int:
        """Pages that are cold or gone after the advice."""
        worker = child.start(work, nid)
        memory = worker.step()
        pidfd = os.pidfd_open(worker.pid)
        advised = syscalls.process_madvise(pidfd, [(memory.addr, memory.pages * PAGE_SIZE)], advice)
        os.close(pidfd)
        assert advised == memory.pages * PAGE_SIZE
        pages = mod.pages(memory.addr, memory.pages, worker.pid)
        worker.finish()
        return sum(1 for page in pages if page.nid != nid or not page.pte & PteFlags.YOUNG)

    assert changed(ordinary_node.nid) > KINDS[kind]["pages"] // 2, "the control"
    assert changed(p.nid) == 0


@requirement("FLT-04")
@pytest.mark.parametrize("kind", ["base"])
@pytest.mark.parametrize(
    "advice", [MADV_FREE, MADV_DONTNEED, MADV_COLLAPSE], ids=["free", "dontneed", "collapse"]
)
def test_other_advice_gets_the_same_answer(
    held: Mapping, memory_on: OnNode, ordinary_node: Node, advice: int
) -> None:
    """What process_madvise() takes or refuses does not depend on the node."""
    control = memory_on(ordinary_node.nid)
    assert outcome(advise_by_pidfd, held, advice) == outcome(advise_by_pidfd, control, advice)

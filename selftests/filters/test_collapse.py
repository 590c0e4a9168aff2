# SPDX-License-Identifier: GPL-2.0-only
"""FLT-06: no huge page is made of pages on P."""

from pathlib import Path

import pytest

from fixtures.knobs import KnobSetter
from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import MADV_COLLAPSE, MADV_HUGEPAGE, MADV_NOHUGEPAGE
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import PageFlags, TestModule
from helpers.wait import wait_until
from selftests.filters.kinds import HUGE, OnNode, bound, having
from selftests.migration.moves import moved
from selftests.noops.pages import Frozen

KHUGEPAGED = Path("/sys/kernel/mm/transparent_hugepage/khugepaged")
pytestmark = pytest.mark.parametrize("kind", ["base", "shmem"])


@pytest.fixture
def memory_on(anon: AnonFactory, mod: TestModule, kind: str, ordinary_node: Node) -> OnNode:
    """Base pages where a huge page could be: private ones of a policy, shared ones moved there."""

    def make(nid: int) -> Mapping:
        memory = anon(HUGE, thp=True, shared=kind == "shmem")
        memory.advise(MADV_NOHUGEPAGE)
        bound(memory, ordinary_node.nid if kind == "shmem" else nid)
        if kind == "shmem" and nid != ordinary_node.nid:
            moved(mod, memory, nid)
        assert residency(memory).all_on(nid), f"{residency(memory)}"
        memory.advise(MADV_HUGEPAGE)
        return memory

    return make


@pytest.fixture
def no_khugepaged(knob: KnobSetter) -> None:
    """Nobody collapses what is marked for it but MADV_COLLAPSE, which does not heed this knob: khugepaged is
    woken by the first MADV_HUGEPAGE, and would now and then be there before the call."""
    knob("/sys/kernel/mm/transparent_hugepage/enabled", "never")


@requirement("FLT-06")
@pytest.mark.usefixtures("no_khugepaged")
def test_madvise(held: Mapping, memory_on: OnNode, ordinary_node: Node, mod: TestModule) -> None:
    stay, control = Frozen(held), memory_on(ordinary_node.nid)
    result = outcome(held.advise, MADV_COLLAPSE)
    stay.check(f"MADV_COLLAPSE: {result}")
    assert result != OK, "MADV_COLLAPSE claims to have made a huge page"
    assert not having(mod, held, PageFlags.LARGE), "a huge page on P"
    assert outcome(control.advise, MADV_COLLAPSE) == OK, "the control"
    assert residency(control).huge_runs() == 1, f"the control: {residency(control)}"
    control.verify()


@requirement("FLT-06")
@pytest.mark.usefixtures("no_khugepaged")
@pytest.mark.parametrize("index", [0, HUGE // 2, HUGE - 1], ids=["first", "middle", "last"])
def test_madvise_with_one_page_on_the_node(
    p: PrivateNode, memory_on: OnNode, ordinary_node: Node, index: int
) -> None:
    memory, control = memory_on(ordinary_node.nid), memory_on(ordinary_node.nid)
    syscalls.move_pages(0, [memory.page_addr(index)], [p.nid])
    assert residency(memory).nodes.count(p.nid) == 1, f"{residency(memory)}"
    stay = Frozen(memory)
    result = outcome(memory.advise, MADV_COLLAPSE)
    stay.check(f"MADV_COLLAPSE: {result}")
    assert result != OK, "MADV_COLLAPSE claims to have made a huge page"
    assert outcome(control.advise, MADV_COLLAPSE) == OK, "the control, all of it on D"


def full_scans() -> int:
    return int((KHUGEPAGED / "full_scans").read_text())


@requirement("FLT-06")
def test_khugepaged(
    held: Mapping, memory_on: OnNode, ordinary_node: Node, mod: TestModule, knob: KnobSetter, kind: str
) -> None:
    knob(f"{KHUGEPAGED}/scan_sleep_millisecs", 5)
    knob(f"{KHUGEPAGED}/alloc_sleep_millisecs", 5)
    knob(f"{KHUGEPAGED}/pages_to_scan", 1 << 16)
    if kind == "shmem":
        knob("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "advise")
    stay, control = Frozen(held), memory_on(ordinary_node.nid)
    held.advise(MADV_HUGEPAGE)

    def collapsed() -> bool:
        control.read_fault()  # a file's huge page is mapped by the next access only
        return residency(control).huge_runs() == 1

    wait_until(
        collapsed, 30,
        lambda: f"the control is a huge page: {residency(control)}, {full_scans()} full scans",
    )  # fmt: skip
    start = full_scans()
    wait_until(lambda: full_scans() >= start + 2, 30, lambda: f"two full scans: {full_scans() - start}")
    stay.check("khugepaged")
    assert not having(mod, held, PageFlags.LARGE), "a huge page on P"
    control.verify()

# SPDX-License-Identifier: GPL-2.0-only
"""FLT-05: KSM leaves pages on P alone, equal as they may be."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.knobs import KnobSetter
from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import MADV_MERGEABLE
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import PageFlags, TestModule
from helpers.wait import wait_until
from selftests.filters.kinds import OnNode, having

KSM = Path("/sys/kernel/mm/ksm")
SAME = b"the same" * (PAGE_SIZE // 8)
#: `merge()`: ksmd runs from here to the end of the test.
Merge = Callable[[], None]


@pytest.fixture(params=[1, 0], ids=["across-nodes", "within-nodes"])
def merge(request: pytest.FixtureRequest, knob: KnobSetter) -> Iterator[Merge]:
    """Each test runs with merging across nodes and within nodes only."""
    if not KSM.exists():
        pytest.skip("needs KSM (CONFIG_KSM)")
    (KSM / "run").write_text("2")  # unmerge all: only then may the next be changed
    knob(f"{KSM}/merge_across_nodes", request.param)
    knob(f"{KSM}/sleep_millisecs", 1)
    knob(f"{KSM}/pages_to_scan", 1000)
    knob(f"{KSM}/smart_scan", 0)

    def start() -> None:
        (KSM / "run").write_text("1")

    yield start
    (KSM / "run").write_text("2")
    (KSM / "run").write_text("0")


def same(memory: Mapping) -> Mapping:
    """Every page has the same contents, and may be merged."""
    for index in range(memory.pages):
        memory.view[index * PAGE_SIZE : (index + 1) * PAGE_SIZE] = SAME
    memory.advise(MADV_MERGEABLE)
    return memory


def merged(memory: Mapping) -> bool:
    return len(set(residency(memory).frames)) < memory.pages // 2


def scans() -> int:
    return int((KSM / "full_scans").read_text())


def wait_for_scans() -> None:
    """KSM looks at a page twice before it merges it."""
    start = scans()
    wait_until(lambda: scans() >= start + 4, 30, lambda: f"four full scans: {scans() - start}")


@requirement("FLT-05")
@pytest.mark.parametrize("kind", ["base", "huge"])
def test_equal_pages(
    held: Mapping, memory_on: OnNode, ordinary_node: Node, mod: TestModule, merge: Merge
) -> None:
    control = same(memory_on(ordinary_node.nid))
    before = residency(same(held))
    merge()
    wait_until(lambda: merged(control), 30, lambda: f"the control merged: {residency(control)}")
    wait_for_scans()
    assert residency(held).frames == before.frames, f"pages on P: {residency(held)}"
    assert not having(mod, held, PageFlags.KSM), "KSM pages on P"
    assert held.read_all() == SAME * held.pages


@requirement("FLT-05")
@pytest.mark.parametrize("kind", ["base"])
def test_pages_equal_to_merged_ones(
    p: PrivateNode, memory_on: OnNode, ordinary_node: Node, mod: TestModule, merge: Merge
) -> None:
    """There is a KSM page already when the pages on P come along."""
    control = same(memory_on(ordinary_node.nid))
    merge()
    wait_until(lambda: merged(control), 30, lambda: f"the control merged: {residency(control)}")
    memory = same(memory_on(p.nid))
    before = residency(memory)
    wait_for_scans()
    assert residency(memory).frames == before.frames, f"pages on P: {residency(memory)}"
    assert not having(mod, memory, PageFlags.KSM), "KSM pages on P"


@requirement("FLT-05")
@pytest.mark.parametrize("kind", ["base"])
def test_both_nodes_in_one_range(
    p: PrivateNode, memory_on: OnNode, ordinary_node: Node, merge: Merge
) -> None:
    """Every other page of a mapping is on P; KSM merges those between them."""
    memory = memory_on(ordinary_node.nid)
    odd = memory.addrs()[1::2]
    syscalls.move_pages(0, odd, [p.nid] * len(odd))
    before = residency(same(memory)).frames
    merge()
    wait_until(
        lambda: len(set(residency(memory).frames[::2])) <= memory.pages // 4, 30,
        lambda: f"the control merged: {residency(memory)}",
    )  # fmt: skip
    wait_for_scans()
    assert residency(memory).frames[1::2] == before[1::2], f"pages on P: {residency(memory)}"

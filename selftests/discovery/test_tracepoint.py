# SPDX-License-Identifier: GPL-2.0-only
"""DSC-10: mm_page_alloc shows __GFP_PRIVATE where it was used, and nowhere else."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory
from helpers.constants import Mode
from helpers.residency import frames
from helpers.testmod import Entry, Ops, TestModule
from selftests.discovery.tracing import recording

EVENT = "kmem/mm_page_alloc"
FLAG = "__GFP_PRIVATE"


def has_flag(record: dict[str, str]) -> bool:
    return FLAG in record["gfp_flags"].split("|")


@requirement("DSC-10")
@pytest.mark.parametrize("private", [True, False], ids=["with", "without"])
def test_flag_is_shown_exactly_when_used(
    closed_node: PrivateNode, alloc: AllocFactory, testmod: TestModule, private: bool
) -> None:
    gfp = testmod.gfp.HIGHUSER_MOVABLE | (testmod.gfp.PRIVATE if private else 0)
    with recording(EVENT) as trace:
        taken = alloc(Entry.ALLOC_PAGES_NODE, closed_node, gfp=gfp, count=4)
        records = trace.by_pfn()
    assert taken is not None
    assert (taken.nid == closed_node.nid) is private, f"{taken}"
    found = {pfn: records[pfn]["gfp_flags"] for pfn in taken.pfns}
    assert all(has_flag(records[pfn]) is private for pfn in taken.pfns), found
    assert not [one for pfn, one in records.items() if pfn not in taken.pfns and has_flag(one)]


@requirement("DSC-10")
def test_page_fault_under_a_policy_shows_it(open_node: OpenNode, anon: AnonFactory) -> None:
    node = open_node(Ops.MIGRATION | Ops.MEMPOLICY)
    on_p, on_d = anon(4), anon(4)
    on_p.bind(Mode.BIND, [node.nid])
    with recording(EVENT) as trace:
        on_p.touch()
        on_d.touch()
        records = trace.by_pfn()
    for memory, expected in ((on_p, True), (on_d, False)):
        for pfn in frames(memory.addr, memory.pages):
            assert pfn is not None
            assert has_flag(records[pfn]) is expected, f"{memory}: {records[pfn]}"

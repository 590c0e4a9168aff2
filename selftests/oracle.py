# SPDX-License-Identifier: GPL-2.0-only
"""The residency oracle for tests that have the module: page frames by /proc/<pid>/pagemap and sysfs,
cross-checked with the module's own walk of the page tables. What is under test (move_pages, numa_maps,
get_mempolicy) has no say.
"""

from dataclasses import dataclass

from helpers.constants import Mode
from helpers.memory import Mapping
from helpers.residency import HasPages, Residency, residency
from helpers.testmod import TestModule

__all__ = ["Span", "located", "placed"]


LOOKS = 10  # a page is moved in microseconds, and seldom: each further look is unlikely to meet another move


@dataclass
class Span:
    """Some pages of any process."""

    addr: int
    pages: int


def located(mod: TestModule, memory: HasPages, pid: int | None = None) -> Residency:
    """Where the pages are, of the caller or of process `pid`. AssertionError when the oracles disagree.

    A page that khugepaged or compaction moves between the two answers has another frame in the second
    one, and both are right. So they are asked again; what is wrong differs in every look.
    """
    for _ in range(LOOKS):
        seen = residency(memory, pid)
        told = mod.frames(memory.addr, memory.pages, pid or 0)
        pages = zip(seen.frames, seen.nodes, told, strict=True)
        differing = [
            (index, (pfn, nid), module)
            for index, (pfn, nid, module) in enumerate(pages)
            if (pfn, nid) != module
        ]
        if not differing:
            return seen
    index, pagemap, module = differing[0]
    raise AssertionError(
        f"page {index}: (frame, node) by pagemap {pagemap}, by module {module}; "
        f"{len(differing)} of {memory.pages} pages differ in the last of {LOOKS} looks"
    )


def placed(memory: Mapping, nid: int, seed: int = 1) -> Mapping:
    """Memory with contents on an ordinary node, and without a policy of its own from then on."""
    memory.bind(Mode.BIND, [nid])
    memory.touch(seed)
    memory.bind(Mode.DEFAULT, ())
    return memory

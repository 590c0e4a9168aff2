# SPDX-License-Identifier: GPL-2.0-only
"""Tasks with memory under a policy, looked at again and again while their cpuset changes. For lean children
(fixtures/lean.py): what moves with them should be what the test is about."""

from collections.abc import Iterator
from dataclasses import dataclass

from helpers import syscalls
from helpers.constants import MPOL_F_ADDR, Mode
from helpers.memory import Mapping
from helpers.nodemask import NodeMask
from helpers.residency import Residency, residency
from selftests.mempolicy import shown

PAGES = 16
TURNS = 6


@dataclass
class Seen:
    """What a turn found: the policy (mode, nodes) and its text in numa_maps, where the pages touched in this
    turn are, and where all are."""

    mode: int
    nodes: NodeMask
    text: str
    fresh: Residency
    all: Residency

    def __str__(self) -> str:
        return f"policy {self.text}; fresh pages {self.fresh}; all {self.all}"


def following(by: str, mode: int, nids: list[int]) -> Iterator[Seen]:
    """Memory under that policy, by "mbind" or "set_mempolicy"; at each turn a few more pages are touched. The
    contents of all are checked at each turn."""
    with Mapping.anonymous(TURNS * PAGES) as memory:
        if by == "mbind":
            memory.bind(mode, nids)
        else:
            syscalls.set_mempolicy(mode, nids)
        for first in range(0, TURNS * PAGES, PAGES):
            memory.touch(first=first, count=PAGES)
            found = residency(memory)
            fresh = slice(first, first + PAGES)
            asked = (memory.addr, MPOL_F_ADDR) if by == "mbind" else ()
            now, mask = syscalls.get_mempolicy(*asked)
            text = shown.policy(shown.numa_maps(memory.addr))
            yield Seen(now, mask, text, Residency(found.nodes[fresh], found.frames[fresh]), found)
            memory.verify(count=first + PAGES)
        syscalls.set_mempolicy(Mode.DEFAULT)


def owner(nids: list[int]) -> Iterator[Residency]:
    """Pages on each of the nodes, without a policy from then on; thereafter a look at them at each turn."""
    with Mapping.anonymous(len(nids) * PAGES) as memory:
        for index, nid in enumerate(nids):
            part = {"first": index * PAGES, "count": PAGES}
            memory.bind(Mode.BIND, [nid], **part)
            memory.touch(**part)
        memory.bind(Mode.DEFAULT, ())
        while True:
            memory.verify()
            yield residency(memory)

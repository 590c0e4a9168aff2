# SPDX-License-Identifier: GPL-2.0-only
"""What a residency check costs: where are the pages of a range, asked in three ways.

    pagemap      the suite's oracle: each frame against the memory blocks of the nodes
    move_pages   move_pages(2) without nodes: the state of each page
    numa_maps    /proc/self/numa_maps: pages by node, of the whole mapping only

All three have to answer alike, else nothing was measured.
"""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from helpers import syscalls as sc
from helpers.memory import Mapping
from helpers.nodes import Node, node_list
from helpers.residency import residency
from tools.bench.inside.clock import rounds, timed

#: Of free memory that a mapping may take: page tables, and lists of an int for each page, come on top.
SHARE = 0.85


def measure(sizes: list[int], counts: list[int]) -> list[dict[str, Any]]:
    """{"bytes", "nodes": {node: pages}, "seconds": {way: [by round]}} for each size; one that does not fit
    has "free" instead, the bytes that were. As many rounds as `counts` says."""
    return [_one(size, count) for size, count in zip(sizes, counts, strict=True)]


def _one(size: int, count: int) -> dict[str, Any]:
    free = sum(Node(nid).meminfo()["MemFree"] for nid in node_list("has_memory"))
    if size > free * SHARE:
        return {"bytes": size, "free": free}
    with Mapping.anonymous(size // sc.PAGE_SIZE, populate=True) as memory:
        answers = {way: ask(memory) for way, ask in WAYS.items()}
        if len({tuple(sorted(answer.items())) for answer in answers.values()}) != 1:
            raise AssertionError(f"{memory}: told differently by each way: {answers}")
        seconds = rounds({way: timed(partial(ask, memory)) for way, ask in WAYS.items()}, count)
    return {"bytes": size, "nodes": dict(answers["pagemap"]), "seconds": seconds}


def by_pagemap(memory: Mapping) -> Counter[int]:
    """Pages by node, as tests ask."""
    return residency(memory).counts


def by_move_pages(memory: Mapping) -> Counter[int]:
    """Pages by node, of those that are present (others have a negative state)."""
    return Counter(state for state in sc.move_pages(0, memory.addrs(), None) if state >= 0)


def by_numa_maps(memory: Mapping) -> Counter[int]:
    """Pages by node; the mapping has to be a VMA of its own."""
    for line in Path("/proc/self/numa_maps").read_text().splitlines():
        if line.startswith(f"{memory.addr:08x} "):
            pairs = (word[1:].split("=") for word in line.split() if word[0] == "N" and "=" in word)
            return Counter({int(node): int(pages) for node, pages in pairs})
    raise LookupError(f"{memory}: no line in numa_maps")


WAYS = {"pagemap": by_pagemap, "move_pages": by_move_pages, "numa_maps": by_numa_maps}

# SPDX-License-Identifier: GPL-2.0-only
"""The zone lists as they have to be, given which nodes have which memory, compared with the kernel's."""

from collections.abc import Collection, Iterator
from itertools import pairwise

from helpers.nodes import Node, node_list
from helpers.testmod import NodeStates, TestModule, ZoneList


def nodes_in(testmod: TestModule, nid: int, which: ZoneList) -> list[int]:
    """Node ids in the order of the list, each once."""
    return list(dict.fromkeys(ref.nid for ref in testmod.zonelist(nid, which)))


def with_state(testmod: TestModule, state: NodeStates) -> set[int]:
    """Possible nodes that the kernel itself counts to a node state (has_memory tells something else)."""
    return {nid for nid in node_list("possible") if testmod.node_state(nid).states & state}


def shown(testmod: TestModule) -> str:
    """Every list of every online node, for messages."""
    lines = [
        f"{which.name}({nid}) = {nodes_in(testmod, nid, which)}"
        for nid in node_list("online")
        for which in ZoneList
    ]
    return "\n".join(lines)


def faults(testmod: TestModule, private: Collection[int], ordinary: Collection[int]) -> Iterator[str]:
    """What is wrong with the lists of all possible nodes, given which have private and ordinary memory."""
    with_memory = {*private, *ordinary}
    for nid in node_list("possible"):
        fallback = nodes_in(testmod, nid, ZoneList.FALLBACK)
        alone = nodes_in(testmod, nid, ZoneList.NOFALLBACK)
        if nid not in with_memory:
            if gone := {*alone, *fallback} - set(ordinary):
                yield f"the lists of {nid}, which has no memory, still have nodes {sorted(gone)}"
            continue
        if alone != [nid]:
            yield f"NOFALLBACK({nid}) is {alone}, not [{nid}]"
        if fallback[:1] != [nid]:
            yield f"FALLBACK({nid}) is {fallback} and does not start with {nid}"
        if set(fallback) != {nid, *ordinary}:
            yield f"FALLBACK({nid}) is {fallback}, not {nid} and the ordinary nodes {sorted(ordinary)}"
        if wrong := out_of_order(fallback, Node(nid).distances()):
            yield f"FALLBACK({nid}) is {fallback}: {wrong}"


def out_of_order(fallback: list[int], distances: dict[int, int]) -> str | None:
    """The first neighbours in the list that are not by distance, None when all are.

    The kernel adds up to 2 to a distance to prefer nodes without CPUs and of higher id, so only more counts.
    """
    for near, far in pairwise(fallback):
        a, b = distances[near], distances[far]
        if a > b + 2:
            return f"node {near} (distance {a}) comes before node {far} (distance {b})"
    return None

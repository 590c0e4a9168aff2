# SPDX-License-Identifier: GPL-2.0-only
"""How memory gets to compressed RAM: by demotion, and by nothing else."""

from collections.abc import Callable

from fixtures.nodes import PrivateNode
from fixtures.tiers import Cold
from helpers.residency import Residency

__all__ = ["MakeCram", "arrive"]

#: `cram(*, flush=True) -> PrivateNode`, see conftest.py
MakeCram = Callable[..., PrivateNode]


def arrive(memory: Cold, node: PrivateNode) -> Residency:
    """Have the memory demoted to the node, most of it: some pages may wait on a CPU's list for the LRU."""
    found = memory.reclaim(lambda found: found.counts[node.nid] > memory.pages // 2)
    assert found.counts[node.nid] > memory.pages // 2, f"demoted to {node}: {found}"
    return found

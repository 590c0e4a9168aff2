# SPDX-License-Identifier: GPL-2.0-only
"""Pages of ordinary nodes that are in use although nobody has them: a copy of a page that was not moved after
all."""

from collections.abc import Sequence
from functools import cache

from fixtures.settling import drain
from helpers import failing
from helpers.memory import PAGE_SIZE
from helpers.nodes import Node
from helpers.wait import wait_until

__all__ = ["Ordinary"]

#: What nodeN/meminfo knows of, each page once.
_KNOWN = ("Active", "Inactive", "Unevictable", "Slab", "KernelStack", "PageTables", "SecPageTables")
#: Pages more than before that are no finding: stacks of tasks, vmalloc, per-CPU memory of cgroups. Up to 35
#: were seen.
FEW = 256
#: ... and with KASAN, which keeps a record of every stack that allocates, and has shadows.
SANITIZED, SANITIZER = 4096, "kasan_report"


class Ordinary:
    """Pages that are on no list which the kernel keeps of a node's memory, now and later."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.few = SANITIZED if nodes and _has(SANITIZER) else FEW
        drain()
        self.before = {node.nid: unaccounted(node) for node in nodes}

    def more(self) -> dict[int, int]:
        """Node -> pages more than at first."""
        return {node.nid: unaccounted(node) - self.before[node.nid] for node in self.nodes}

    def missing(self, seconds: float) -> list[str]:
        """One line for each node that has many more, when so much time has passed."""

        def few() -> bool:
            drain()
            return all(count <= self.few for count in self.more().values())

        try:
            wait_until(few, seconds, "")
        except TimeoutError:
            return [
                f"node {nid}: {count} pages are in use that are on no list, more than before the scene"
                for nid, count in self.more().items() if count > self.few
            ]  # fmt: skip
        return []


@cache
def _has(function: str) -> bool:
    """As failing.has_function(), which reads the table of all symbols; False where there is none."""
    try:
        return failing.has_function(function)
    except OSError:
        return False


def unaccounted(node: Node) -> int:
    """Pages in use of drivers, of vmalloc, of those who took them by themselves, and of nobody."""
    found, free = node.meminfo(), sum(zone.all_free for zone in node.zones())
    return (found["MemTotal"] - sum(found.get(name, 0) for name in _KNOWN)) // PAGE_SIZE - free

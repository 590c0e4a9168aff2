# SPDX-License-Identifier: GPL-2.0-only
"""What a node's frames are used for, whoever uses them: /proc/kpageflags over the node's memory blocks.

Source: Documentation/admin-guide/mm/pagemap.rst. Kernel stacks, vmalloc memory and what drivers hold have no
flag of their own; they are the difference to the pages that are not free.
"""

from array import array
from collections import Counter

from fixtures.nodes import PrivateNode, stable_free_pages
from helpers.memory import PAGE_SIZE

_KINDS = {"slab": 1 << 7, "page table": 1 << 26, "anonymous": 1 << 12, "page cache": 1 << 5 | 1 << 11}
_BUDDY = 1 << 10


def uses(node: PrivateNode) -> Counter[str]:
    """Frames in use on the node, by kind: "anonymous", "page table", "slab", "page cache", "other"."""
    found: Counter[str] = Counter()
    used = node.managed_pages() - stable_free_pages(node)
    with open("/proc/kpageflags", "rb") as file:
        file.seek(node.start // PAGE_SIZE * 8)
        words = array("Q", file.read(node.size // PAGE_SIZE * 8))
    for word, count in Counter(words).items():
        kind = next((name for name, bits in _KINDS.items() if word & bits), None)
        if kind and not word & _BUDDY:
            found[kind] += count
    found["other"] = used - found.total()
    return +found

# SPDX-License-Identifier: GPL-2.0-only
"""Memory of several kinds on a node of choice, and what the module's page report says of it."""

from typing import Any, Protocol

from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.testmod import Ops, PageFlags, TestModule

OPEN = Ops.MIGRATION | Ops.MEMPOLICY
PAGES = 64
#: Base pages of a PMD-sized huge page (a page table has entries of 8 bytes).
HUGE = PAGE_SIZE // 8
#: Options of Mapping.anonymous().
KINDS: dict[str, dict[str, Any]] = {
    "base": {"pages": PAGES},
    "huge": {"pages": HUGE, "thp": True},
    "shmem": {"pages": PAGES, "shared": True},
}
LOCKED = PageFlags.MLOCKED | PageFlags.UNEVICTABLE


class OnNode(Protocol):
    """Makes memory of the test's kind on a node, touched with seed 1."""

    def __call__(self, nid: int) -> Mapping: ...


def having(mod: TestModule, memory: Mapping, flags: PageFlags) -> int:
    """Pages of the memory whose folio has any of these flags."""
    return sum(1 for page in mod.pages(memory.addr, memory.pages) if page.flags & flags)


def bound(memory: Mapping, nid: int, seed: int = 1) -> Mapping:
    """Touched under a policy that names the node; without a policy of its own from then on."""
    memory.bind(Mode.BIND, [nid])
    memory.touch(seed)
    memory.bind(Mode.DEFAULT, ())
    return memory

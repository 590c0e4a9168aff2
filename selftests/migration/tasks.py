# SPDX-License-Identifier: GPL-2.0-only
"""Tasks whose memory is moved. For lean children (fixtures/lean.py): migrate_pages() moves all that a task
has."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from helpers import syscalls
from helpers.memory import Mapping
from selftests.oracle import Span, placed


def hold(pages: int, seed: int) -> Iterator[Span]:
    """Memory with contents, for a child: where it is; then, when the child is told to go on, the check."""
    with Mapping.anonymous(pages) as memory:
        memory.touch(seed)
        yield Span(memory.addr, memory.pages)
        memory.verify(seed)


def holder(options: dict[str, Any], nid: int) -> Iterator[Span]:
    """Memory on an ordinary node; then the check of its contents."""
    with Mapping.anonymous(**options) as memory:
        placed(memory, nid)
        yield Span(memory.addr, memory.pages)
        memory.verify()


def wanderer(places: list[int], options: dict[str, Any]) -> Iterator[object]:
    """For a child: memory on the first of the nodes, which moves on along the list; yields where it is
    mapped, then what migrate_pages() returned each time."""
    with Mapping.anonymous(**options) as memory:
        placed(memory, places[0])
        yield Span(memory.addr, memory.pages)
        for old, new in pairwise(places):
            yield syscalls.migrate_pages(0, [old], [new])
            memory.verify()

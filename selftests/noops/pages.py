# SPDX-License-Identifier: GPL-2.0-only
"""Memory that has to stay where it is."""

from typing import Protocol

from helpers.memory import Mapping
from helpers.residency import residency

PAGES = 64


class OnNode(Protocol):
    """Makes memory of some kind on a node, touched with seed 1."""

    def __call__(self, nid: int, pages: int = PAGES) -> Mapping: ...


class Frozen:
    """Remembers the frames of memory touched with seed 1."""

    def __init__(self, memory: Mapping) -> None:
        self.memory = memory
        self.frames = residency(memory).frames
        assert None not in self.frames, f"not all present: {residency(memory)}"

    def check(self, what: object) -> None:
        """Every page is present in the same frame, with its contents."""
        found = residency(self.memory)
        moved = sum(1 for old, new in zip(self.frames, found.frames, strict=True) if old != new)
        assert not moved, f"{what}: {moved} of {len(self.frames)} pages did not stay: {found}"
        self.memory.verify()

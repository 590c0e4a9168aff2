# SPDX-License-Identifier: GPL-2.0-only
"""Memory of an actor: each page names its place and its owner, and each read verifies it.

The owner is the seed of the page's pattern (helpers/pattern.py): place in the scene, life, fork, mapping, and
how often the page was written. So a page with the bytes of another says whose they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from helpers.memory import PAGE_SIZE, Mapping
from helpers.pattern import HEADER, MAGIC, describe, header
from helpers.residency import residency_of
from helpers.testmod import TestModule
from helpers.testmod.results import Event

__all__ = ["LostByte", "Owned", "Owner"]

ZEROES = bytes(PAGE_SIZE)
REST = bytes(PAGE_SIZE - HEADER.size)
#: Events shown of a page that has the wrong bytes.
MOST = 16


class LostByte(AssertionError):
    """A page does not have what its owner wrote. The message has both, and what its node's driver was told of
    the frame."""


@dataclass(frozen=True)
class Owner:
    """Who wrote a page, as a number: place 8 bits, life 12, fork 8, mapping 20, write 16. fork: 0 for the
    life itself, another number for each of its children that has the mapping from it."""

    place: int
    life: int
    mapping: int
    fork: int = 0

    def seed(self, write: int) -> int:
        number = self.place & 0xFF
        for value, bits in ((self.life, 12), (self.fork, 8), (self.mapping, 20), (write, 16)):
            number = number << bits | value & (1 << bits) - 1
        return number

    @staticmethod
    def describe(seed: int) -> str:
        write, mapping, fork, life, place = (
            seed & 0xFFFF, seed >> 16 & 0xFFFFF, seed >> 36 & 0xFF, seed >> 44 & 0xFFF, seed >> 56 & 0xFF,
        )  # fmt: skip
        return f"place {place}, life {life}, fork {fork}, mapping {mapping}, write {write}"


class Owned:
    """A mapping whose pages are written and checked by index."""

    def __init__(self, memory: Mapping, owner: Owner, module: TestModule, nids: Iterable[int]) -> None:
        self.memory, self.owner, self.module, self.nids = memory, owner, module, tuple(nids)
        self.writes: list[int] = [0] * memory.pages  # 0: never, so it is zeroes
        self.seeds: list[int] = [0] * memory.pages  # of the last write, which may be a parent's
        self.pages = memory.pages

    def write(self, *indices: int) -> None:
        """New contents, of these pages or of all."""
        for index in indices or range(self.pages):
            self.writes[index] += 1
            self.seeds[index] = self.owner.seed(self.writes[index])
            self.memory.touch(self.seeds[index], first=index, count=1)

    def check(self, *indices: int) -> None:
        """Read these pages, or all, to the last byte: behind what was written a page is zeroes, as it came.
        LostByte for the first that is wrong."""
        for index in indices or range(self.pages):
            expected = header(index, self.seeds[index]) + REST if self.writes[index] else ZEROES
            found = self.memory.page(index)
            if found != expected:
                raise LostByte("\n".join(self._about(index, found, expected)))

    def inherited(self, fork: int) -> None:
        """This is a child, by that number: what it writes is its own from now on."""
        self.owner = replace(self.owner, fork=fork)

    def forget(self, *indices: int) -> None:
        """These pages were given back: they read as zeroes."""
        for index in indices:
            self.writes[index] = 0

    def _about(self, index: int, found: bytes, expected: bytes) -> list[str]:
        at = next(byte for byte in range(PAGE_SIZE) if found[byte] != expected[byte])
        place = f"page {index} of {self.pages}, address {self.memory.page_addr(index):#x}, byte {at}"
        magic, _page, seed, *_rest = HEADER.unpack(found[: HEADER.size])
        lines = [f"{place}: {describe(found)}; from there {found[at : at + 16].hex()}"]
        if self.writes[index]:
            lines.append(f"owner: {Owner.describe(self.seeds[index])}")
        else:
            lines.append("owner: did not write it since it was mapped or dropped, so it has to be zeroes")
        if magic == MAGIC:
            lines.append(f"found: written by {Owner.describe(seed)}")
        where = residency_of(self.memory.page_addr(index), 1)
        frame = where.frames[0]
        lines.append(f"now on node {where.nodes[0]}, frame {frame if frame is None else hex(frame)}")
        return lines + [line for nid in self.nids for line in history(self.module, nid, frame)]

    def close(self) -> None:
        self.memory.close()

    def __enter__(self) -> "Owned":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        """What a Mapping can: bind, advise, addrs, ..."""
        return getattr(self.memory, name)


def history(module: TestModule, nid: int, frame: int | None) -> list[str]:
    """What the driver of the node was told about a frame, oldest first."""
    if frame is None:
        return []
    taken = module.events(nid).events
    found = [event for event in taken if _covers(event, frame)]
    lines = [
        f"  {event.time} ns: {event.callback.name} frame {event.pfn:#x}, order {event.order}, by {event.pid}"
        for event in found[-MOST:]
    ]
    return [f"node {nid}: {len(found)} of {len(taken)} events about it", *lines]


def _covers(event: Event, frame: int) -> bool:
    return any(0 < pfn <= frame < pfn + (1 << event.order) for pfn in (event.pfn, event.pfn2))

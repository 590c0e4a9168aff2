# SPDX-License-Identifier: GPL-2.0-only
"""Tasks whose memory is moved. For lean children (fixtures/lean.py): migrate_pages() moves all that a task
has."""

from collections.abc import Generator, Iterator
from itertools import pairwise
from typing import Any

from fixtures.process import Child
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE
from helpers.memory import Mapping
from helpers.wait import wait_until
from selftests.oracle import Span, placed

#: So often in a row, a look each, a task has to be found asleep in the kernel.
LOOKS = 10


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


def mover(pid: int, addrs: list[int], nid: int) -> Generator[None, None, tuple[int, list[int]]]:
    """When told to go on: moves pages of another task; what move_pages() returned, and the statuses."""
    yield
    return syscalls.move_pages_result(pid, addrs, [nid] * len(addrs), MPOL_MF_MOVE)


def assert_stuck(worker: Child) -> None:
    """In the kernel, where no signal gets it out, look after look: the call neither ends nor goes on."""
    seen: list[str] = []

    def long_enough() -> bool:
        with open(f"/proc/{worker.pid}/stat") as file:
            seen.append(file.read().rpartition(")")[2].split()[0])
        return seen[-1] == "Z" or seen[-LOOKS:] == ["D"] * LOOKS

    wait_until(long_enough, 10, lambda: f"state D {LOOKS} times in a row, states were {''.join(seen)}")
    assert seen[-1] == "D", f"the call has ended, states were {''.join(seen)}"


def wanderer(places: list[int], options: dict[str, Any]) -> Iterator[object]:
    """For a child: memory on the first of the nodes, which moves on along the list; yields where it is
    mapped, then what migrate_pages() returned each time."""
    with Mapping.anonymous(**options) as memory:
        placed(memory, places[0])
        yield Span(memory.addr, memory.pages)
        for old, new in pairwise(places):
            yield syscalls.migrate_pages(0, [old], [new])
            memory.verify()

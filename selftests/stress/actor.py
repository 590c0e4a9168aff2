# SPDX-License-Identifier: GPL-2.0-only
"""What an act is played with: time, chance, memory with a name in it, and calls whose errno is looked at."""

import os
import random
import select
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from helpers import paths, syscalls
from helpers.constants import Mode
from helpers.failing import Failing
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node, has_private_memory
from helpers.outcome import OK, outcome
from helpers.residency import frames, residency_of
from helpers.testmod import Callback, TestModule
from helpers.testmod import Mode as CallbackMode
from selftests.stress.owned import Owned, Owner
from selftests.stress.tally import Tally
from selftests.stress.world import World

__all__ = ["HUGE", "REFUSED_ONE", "Actor", "Unexpected"]

HUGE = PAGE_SIZE // 8  # base pages of a PMD-sized huge page
#: Errnos of any call while nodes or their flags come and go, or are full.
SHAKY = frozenset({"EINVAL", "ENODEV", "EBUSY", "EAGAIN", "EACCES", "EIO", "ENOENT", "ENOMEM"})
#: ... and of one that gets no memory; EFAULT: the page of an argument could not be had.
REFUSED = frozenset({"ENOMEM", "EAGAIN", "EBUSY", "EFAULT", "EIO", "EEXIST", "ENOSPC", "MemoryError"})
#: Of ten calls, as many meet a refusal; the refused allocation is one of the first so many.
REFUSALS, DEEPEST = 4, 60
#: Milliseconds that a call of migrate_to takes when its owner is slow.
SLOWEST = 50
REFUSED_ONE = "(an allocation refused)"


class Unexpected(AssertionError):
    """A call ended as none may. The message names it, its errno, and those that it may have."""


class Actor:
    """One life of an act."""

    def __init__(
        self,
        name: str,
        place: int,
        life: int,
        seed: int,
        until: float,
        world: World,
        module: TestModule,
        calls: Tally,
    ) -> None:
        self.name, self.world, self.module, self.until, self.calls = name, world, module, until, calls
        self.place, self.life = place, life
        self.rng = random.Random(f"{seed}/{place}/{life}")
        self._failing, self._mappings = Failing(), 0
        self.private = [world.nodes[letter] for letter in "PQ" if letter in world.nodes]

    # --- time and chance -----------------------------------------------------------------

    def going(self) -> bool:
        """Whether the scene goes on."""
        return time.monotonic() < self.until

    def pause(self, seconds: float) -> None:
        """Let others run, for at most so long."""
        select.select([], [], [], max(min(seconds, self.until - time.monotonic()), 0))

    def chance(self, one_in: int) -> bool:
        return self.rng.randrange(one_in) == 0

    def node(self, letters: str = "PQDE") -> int:
        """Id of one of these nodes, of those that the scene has."""
        return self.world.nodes[self.rng.choice([letter for letter in letters if letter in self.world.nodes])]

    def some(self, pages: int, most: int = 16) -> tuple[int, int]:
        """(first, count) of a stretch of so many pages."""
        first = self.rng.randrange(pages)
        return first, self.rng.randint(1, min(most, pages - first))

    # --- calls ---------------------------------------------------------------------------

    def do(
        self,
        name: str,
        call: Callable[..., Any],
        *args: Any,
        allowed: Collection[str] = (),
        when_refused: Collection[str] = (),
        exact: bool = False,
        **options: Any,
    ) -> str:
        """The call's outcome, which is counted. Unexpected when it is an errno that it must not have.

        when_refused: errnos that it may have beside `allowed` when one of its allocations was refused.
        exact: none but those, also where nodes come and go.
        """
        refused = False
        if self.world.refuse and self.rng.randrange(10) < REFUSALS:
            attempt = self._failing.once(
                self.rng.randint(1, DEEPEST), lambda: self._tried(call, *args, **options)
            )
            seen, refused = attempt.outcome, attempt.hit
            self.calls.add(REFUSED_ONE, refused)
        else:
            seen = outcome(call, *args, **options)
        self.calls.add(f"{name} {seen}")
        may = {
            OK,
            *allowed,
            *(SHAKY if self.world.shaky and not exact else ()),
            *((*REFUSED, *when_refused) if refused else ()),
        }
        if seen not in may:
            raise Unexpected(f"{name}: {seen}, not one of {', '.join(sorted(may))}")
        return seen

    @staticmethod
    def _tried(call: Callable[..., Any], *args: Any, **options: Any) -> None:
        """The interpreter allocates, too."""
        try:
            call(*args, **options)
        except MemoryError:
            raise OSError(12, "the interpreter") from None

    def slow_owner(self, nid: int) -> None:
        """Let the next calls of migrate_to take a while: who tears down has something to wait for."""
        delay = self.rng.randint(1, SLOWEST)
        self.module.program(nid, Callback.MIGRATE_TO, CallbackMode.DELAY, value=delay, times=4)

    def silent(self, nid: int, what: str) -> None:
        """The owner of the node is not called any more, from now on and for longer than its slowest call
        takes. Unexpected when it is: what has come back did not wait."""
        before = self.module.counters(nid).calls
        self.pause(2 * SLOWEST / 1000)
        late = self.module.counters(nid).calls - before
        if late:
            names = ", ".join(f"{count} calls of {callback.name}" for callback, count in late.items())
            raise Unexpected(f"node {nid}: {names} ended after {what} had come back")

    # --- memory --------------------------------------------------------------------------

    def memory(self, pages: int, **options: Any) -> Owned:
        """Fresh memory, of which each page will name its owner."""
        self._mappings += 1
        mapping = Mapping.anonymous(pages, **options)
        return Owned(mapping, Owner(self.place, self.life, self._mappings), self.module, self.private)

    def bind(self, memory: Owned, letters: str = "PQ", mode: int = Mode.BIND) -> str:
        """mbind() to one of these nodes."""
        return self.do("mbind", memory.bind, mode, [self.node(letters)])

    def bound(self, pages: int, letters: str = "PQ", **options: Any) -> Owned:
        """Memory bound to one of these nodes, if that can be, with contents."""
        memory = self.memory(pages, **options)
        self.bind(memory, letters)
        memory.write()
        return memory

    def move(self, memory: Owned, first: int, count: int, nid: int) -> str:
        """move_pages() of a stretch. What stays behind is no error, somebody held it; but a page of which the
        call says that it has moved is there, where nobody else moves any."""
        addrs, told = memory.addrs(first, count), list[int]()

        def call() -> None:
            told[:] = syscalls.move_pages_result(0, addrs, [nid] * count, syscalls.MPOL_MF_MOVE)[1]

        seen = self.do("move_pages", call)
        if seen == OK and not (self.world.shaky or self.world.spreads or self.world.refuse):
            where = residency_of(addrs[0], count).nodes
            wrong = [
                index for index in range(count) if told[index] == nid and where[index] not in (nid, None)
            ]
            if wrong:
                page = first + wrong[0]
                raise Unexpected(
                    f"move_pages: page {page} has moved to node {nid}, and is on {where[wrong[0]]}"
                )
        return seen

    def forked(self, work: Callable[[], None]) -> int | None:
        """A child that does that and ends; its pid, None where there was no fork. To be given to `reap`."""
        pids: list[int] = []

        def fork() -> None:
            pid = os.fork()
            if pid:
                pids.append(pid)
                return
            status = 1
            try:
                work()
                status = 0
            except BaseException as error:
                os.write(2, f"{self.name}: {error}\n".encode())
            finally:
                os._exit(status)

        self.do("fork", fork)
        return pids[0] if pids else None

    def reap(self, pid: int | None) -> None:
        """The child's end, which has to be a good one, unless the scene kills."""
        if pid is None:
            return
        _pid, status = os.waitpid(pid, 0)
        if status and not (self.world.deadly and os.WIFSIGNALED(status)):
            raise Unexpected(
                f"a forked child ended with status {status:#x}: its memory was not what it had to be"
            )

    def look_for_strangers(self) -> None:
        """All that this life had on private nodes is unmapped: what of its memory is there now nobody asked
        for."""
        blocks = private_frames()
        for start, end, name in _mapped():
            for offset, pfn in enumerate(frames(start, (end - start) // PAGE_SIZE)):
                if pfn is not None and any(first <= pfn < last for first, last in blocks):
                    what = f"page {start + offset * PAGE_SIZE:#x} of {name or 'anonymous memory'}"
                    raise Unexpected(f"{what} is on a private node, frame {pfn:#x}; nobody bound it there")


def private_frames() -> list[tuple[int, int]]:
    """Frames of the memory blocks of private nodes: [first, behind). Of a node that goes meanwhile, none."""
    spans = []
    for nid in has_private_memory() or ():
        with suppress(OSError):
            for block in Node(nid).memory_blocks():
                spans.append((block.start // PAGE_SIZE, (block.start + block.size) // PAGE_SIZE))
    return spans


def _mapped() -> list[tuple[int, int, str]]:
    rows = []
    for line in paths.read_text(paths.PROC / "self" / "maps").splitlines():
        span, mode, _offset, _device, _inode, *name = line.split(maxsplit=5)
        start, end = (int(text, 16) for text in span.split("-"))
        if mode.startswith("rw") and start < 1 << 47:  # the rest is files, which have no policy of this task
            rows.append((start, end, name[0] if name else ""))
    return rows

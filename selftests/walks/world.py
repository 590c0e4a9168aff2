# SPDX-License-Identifier: GPL-2.0-only
"""Some pages of memory, and what each call about policy and migration may do to them.

The state is what is seen: node and frame of each page. A step makes its call, looks again and says of each
page where it has to be now, and of the call what has to come of it; nothing here knows how a kernel does it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from helpers import syscalls
from helpers.constants import MADV_DONTNEED, MPOL_MF_MOVE, Mode
from helpers.memory import Mapping
from helpers.outcome import OK, outcome
from helpers.residency import Residency, residency
from helpers.wait import wait_until
from selftests.migration.moves import names

PAGES = 12
SETS = ("BIND", "INTERLEAVE", "PREFERRED_MANY", "WEIGHTED_INTERLEAVE")
#: ("touch", first, count), ("drop", first, count), ("bind", first, count, mode, letters, move),
#: ("task", mode, letters), ("move", first, count, letter), ("migrate", letter, letter)
Step = tuple[Any, ...]


def walks(st: Any, letters: str) -> Any:
    """Strategy: lists of steps about the nodes D, E, P, Q."""
    span = st.tuples(st.integers(0, PAGES - 1), st.integers(1, PAGES)).map(
        lambda pair: (pair[0], min(pair[1], PAGES - pair[0]))
    )
    node = st.sampled_from(letters)
    several = st.sets(node, min_size=1).map(lambda chosen: "".join(sorted(chosen)))
    policy = st.one_of(
        st.tuples(st.sampled_from(SETS), several),
        st.tuples(st.just("PREFERRED"), node),
        st.tuples(st.sampled_from(["DEFAULT", "LOCAL"]), st.just("")),
    )

    def bind(pages: tuple[int, int], how: tuple[str, str], move: bool) -> Step:
        return ("bind", *pages, *how, move and bool(how[1]))

    touch = span.map(lambda pages: ("touch", *pages))
    step = st.one_of(
        touch,
        touch,
        span.map(lambda pages: ("drop", *pages)),
        st.builds(bind, span, policy, st.booleans()),
        policy.map(lambda how: ("task", *how)),
        st.builds(lambda pages, to: ("move", *pages, to), span, node),
        st.builds(lambda old, new: ("migrate", old, new), st.sampled_from("PQ"), node),
    )
    return st.lists(step, min_size=1, max_size=14)


@dataclass
class World:
    """nodes: ids by letter. policies, movers: letters of nodes that policies may name, and that take part in
    migration."""

    nodes: dict[str, int]
    policies: str
    movers: str
    memory: Mapping
    of_page: list[tuple[str, str] | None] = field(default_factory=lambda: [None] * PAGES)
    of_task: tuple[str, str] = ("DEFAULT", "")

    def ids(self, letters: Iterable[str]) -> set[int]:
        return {self.nodes[letter] for letter in letters}

    def fresh(self, index: int) -> set[int]:
        """Where a page may be that is faulted in now."""
        mode, letters = self.of_page[index] or self.of_task
        if mode in ("DEFAULT", "LOCAL"):
            return self.ids("D")
        return self.ids(letters) | (self.ids("DE") if mode == "PREFERRED_MANY" else set())

    def take(self, step: Step) -> None:
        """One step. AssertionError says what differs from what the documents promise."""
        before = residency(self.memory)
        action: Callable[..., dict[int, set[int | None]]] = getattr(self, f"_{step[0]}")
        expected = action(before, *step[1:])
        now = residency(self.memory)
        for index in range(PAGES):
            self._compare(step, index, before, now, expected.get(index))
            if now.nodes[index] is not None:
                self.memory.verify(first=index, count=1)

    def _compare(
        self, step: Step, index: int, before: Residency, now: Residency, expected: set[int | None] | None
    ) -> None:
        was, found = before.nodes[index], now.nodes[index]
        if expected is None:
            assert now.frames[index] == before.frames[index], (
                f"{step}: page {index} was not to change, but went from node {was} to {found}: {self}"
            )
        else:
            assert found in expected, (
                f"{step}: page {index}, was on {was}, is on {found}, not {expected}: {self}"
            )

    # --- steps: what each page may do, by index; a page that is not named must not change -------

    def _touch(self, before: Residency, first: int, count: int) -> dict[int, set[int | None]]:
        self.memory.touch(first=first, count=count)
        span = range(first, first + count)
        return {index: {*self.fresh(index)} for index in span if before.nodes[index] is None}

    def _drop(self, _before: Residency, first: int, count: int) -> dict[int, set[int | None]]:
        self.memory.advise(MADV_DONTNEED, first=first, count=count)
        return {index: {None} for index in range(first, first + count)}

    def _bind(
        self, before: Residency, first: int, count: int, mode: str, letters: str, move: bool
    ) -> dict[int, set[int | None]]:
        flags = MPOL_MF_MOVE if move else 0
        nids = self.ids(letters)
        said = outcome(self.memory.bind, Mode[mode], nids, flags, first=first, count=count)
        if not set(letters) <= set(self.policies):
            assert said == "EINVAL", f"mbind to {letters}: {said}: {self}"
            return {}
        assert said == OK, f"mbind to {letters}: {said}: {self}"
        span = range(first, first + count)
        for index in span:
            self.of_page[index] = None if mode == "DEFAULT" else (mode, letters)
        return {index: {*self.fresh(index)} for index in span if move and self._leaves(before, index, nids)}

    def _task(self, _before: Residency, mode: str, letters: str) -> dict[int, set[int | None]]:
        said = outcome(syscalls.set_mempolicy, Mode[mode], self.ids(letters))
        if set(letters) <= set(self.policies):
            assert said == OK, f"set_mempolicy to {letters}: {said}: {self}"
            self.of_task = (mode, letters)
        else:
            assert said == "EINVAL", f"set_mempolicy to {letters}: {said}: {self}"
        return {}

    def _move(self, before: Residency, first: int, count: int, letter: str) -> dict[int, set[int | None]]:
        target = self.nodes[letter]
        addrs = self.memory.addrs(first, count)
        if letter not in self.movers:
            said = outcome(syscalls.move_pages, 0, addrs, [target] * count, MPOL_MF_MOVE)
            present = any(before.nodes[index] is not None for index in range(first, first + count))
            # Pages that are not there say ENOENT, each its own; nobody has asked the node by then.
            assert said == "ENODEV" or (not present and said == OK), f"move_pages to {letter}: {said}: {self}"
            return {}
        statuses: list[object] = []

        def complete() -> bool:
            """A page that somebody holds just then is left, and counted: move_pages(2) says to ask again."""
            left, seen = syscalls.move_pages_result(0, addrs, [target] * count, MPOL_MF_MOVE)
            statuses[:] = names(seen)
            return left == 0

        wait_until(complete, 10, lambda: f"move_pages to {letter} to be complete: {statuses}: {self}")
        span = range(first, first + count)
        wanted = ["ENOENT" if before.nodes[index] is None else target for index in span]
        assert statuses == wanted, f"move_pages to {letter}: {statuses}, not {wanted}: {self}"
        return {index: {target} for index in span if self._leaves(before, index, {target})}

    def _migrate(self, before: Residency, old: str, new: str) -> dict[int, set[int | None]]:
        said = outcome(syscalls.migrate_pages, 0, [self.nodes[old]], [self.nodes[new]])
        if new not in self.movers:
            assert said != OK, f"migrate_pages to {new}: {said}: {self}"
            return {}
        assert said == OK, f"migrate_pages from {old} to {new}: {said}: {self}"
        there = [index for index in range(PAGES) if before.nodes[index] == self.nodes[old]]
        return {index: {self.nodes[new]} for index in there if old != new}

    @staticmethod
    def _leaves(before: Residency, index: int, nids: set[int]) -> bool:
        return before.nodes[index] is not None and before.nodes[index] not in nids

    def __str__(self) -> str:
        return f"nodes {self.nodes}, policies of pages {self.of_page}, of the task {self.of_task}"

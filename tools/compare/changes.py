# SPDX-License-Identifier: GPL-2.0-only
"""From two outcomes to a word for what became of a test or requirement."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tools.report.events import Outcome
from tools.report.outcomes import TestVerdict


class Change(StrEnum):
    """What became of it from A to B."""

    FAILING = "newly failing"
    LOST = "lost"  # had a result, has none
    FLAKY = "flaky"
    OTHERWISE = "failing otherwise"  # still, by another kind or message
    NEW = "new"  # had no result, has one
    EXCUSED = "failing as known"  # what passed fails, and B's --known says so
    FIXED = "fixed"
    STILL = "failing as before"
    SAME = "the same"
    ONLY_A = "only in A"  # B was not asked for it
    ONLY_B = "only in B"


BAD = (Outcome.FAIL, Outcome.ERROR)
RESULTS = (*BAD, Outcome.PASS, Outcome.FLAKY, Outcome.KNOWN)
# What differs between two runs of the same thing: addresses, pids, counts of pages, seconds. Smaller numbers
# stay, since an errno or a node is one.
_NOISE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\b\d+\.\d+\b|\b\d{4,}\b", re.IGNORECASE)


def by_outcome(a: Outcome, b: Outcome, rounds: int = 1) -> Change:
    """Return the change between two outcomes; MISS also stands for what is not there at all.

    SKIP and MISS show nothing, so they are no result. What was flaky in A is settled only by a B that
    repeated it (`rounds`): one result more proves nothing. A failure that nobody excuses any more is a new
    one: by another reason, or B was not given the same exceptions.
    """
    if a not in RESULTS or b not in RESULTS:
        if a in RESULTS:
            return Change.LOST
        return Change.NEW if b in RESULTS else Change.SAME
    if b is Outcome.FLAKY or (a is Outcome.FLAKY and rounds == 1):
        return Change.FLAKY
    if b in BAD:
        return Change.STILL if a in BAD else Change.FAILING
    if b is Outcome.KNOWN:
        return Change.STILL if a in (*BAD, Outcome.KNOWN) else Change.EXCUSED
    return Change.SAME if a is Outcome.PASS else Change.FIXED


def of_test(a: TestVerdict | None, b: TestVerdict | None) -> Change:
    """Return the change of a test that both runs were asked for; None where it is not there."""
    before = a.outcome if a else Outcome.MISS
    after = b.outcome if b else Outcome.MISS
    change = by_outcome(before, after, b.rounds if b else 1)
    if change is Change.STILL and a and b and signature(a) != signature(b):
        return Change.OTHERWISE
    return change


def signature(test: TestVerdict) -> tuple[str, str, str]:
    """Return how a test failed: outcome, kind, and its message without what changes by chance."""
    outcome = Outcome.FAIL if test.outcome is Outcome.KNOWN else test.outcome
    return str(outcome), test.kind or "", _NOISE.sub("#", " ".join(test.message.split()))


def first_line(test: TestVerdict | None) -> str:
    """Return what a table shows of a test's message."""
    lines = [line.strip() for line in test.message.splitlines() if line.strip()] if test else []
    return lines[0] if lines else ""


@dataclass(frozen=True)
class TestChange:
    """One test on one topology in both runs."""

    __test__ = False

    topology: str
    nodeid: str
    change: Change
    level: str
    requirements: tuple[str, ...]
    a: TestVerdict | None
    b: TestVerdict | None
    reason: str = ""  # why it is lost, or not in one of the runs
    missing: bool = False  # lost because B did not get to it: nothing is known, B is incomplete

    @property
    def arrow(self) -> str:
        """The two outcomes, as text."""
        return arrow(self.a.outcome if self.a else None, self.b.outcome if self.b else None)


@dataclass(frozen=True)
class RequirementChange:
    """One row of the catalogue in both runs, over the tests that have a result in both."""

    id: str
    level: str
    statement: str
    change: Change
    a: Outcome
    b: Outcome
    expected_a: str | None  # by the dialect of A's kernel; None where nobody has said
    expected_b: str | None
    tests: tuple[TestChange, ...] = ()  # its tests that changed
    known: bool = True  # the catalogue has it

    @property
    def missing(self) -> bool:
        """Whether it is lost only because B is incomplete."""
        lost = [test for test in self.tests if test.change is Change.LOST]
        return self.change is Change.LOST and bool(lost) and all(test.missing for test in lost)

    @property
    def arrow(self) -> str:
        """The two outcomes, as text."""
        return arrow(self.a, self.b)


def arrow(a: Outcome | None, b: Outcome | None) -> str:
    """Return "PASS -> FAIL"; "-" for none."""
    return f"{a or '-'} -> {b or '-'}"


def of_kind(tests: Sequence[TestChange], change: Change) -> list[TestChange]:
    """Return the tests with this change."""
    return [test for test in tests if test.change is change]

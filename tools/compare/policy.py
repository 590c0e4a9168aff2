# SPDX-License-Identifier: GPL-2.0-only
"""Whether B is worse than A: what counts, and the exit status."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tools.compare.changes import BAD, Change, TestChange
from tools.compare.comparison import Comparison
from tools.errors import UserError
from tools.report.events import Outcome
from tools.report.verdict import DEVIATES, HOLDS, INCOMPLETE

#: What --fail-on takes besides what always counts, and what it means.
TIGHTER = {
    "flaky": "a test that did not flicker in A does in B",
    "changed": "a test that failed fails otherwise",
    "new": "a test without a result in A fails in B",
    "slower": "a test takes longer, beyond noise",
    "missing": "B did not get to a test that has a result in A",
    "only-in-a": "B was not asked for a test of A",
    "should": "requirements of level should count like those of level must",
}
#: Requirements that a line names.
MOST_SHOWN = 8


@dataclass(frozen=True)
class Finding:
    """Something that got worse."""

    what: str  # "newly failing"
    requirements: tuple[str, ...]
    tests: tuple[TestChange, ...]

    def __str__(self) -> str:
        number = len(self.tests)
        shown = ", ".join(self.requirements[:MOST_SHOWN])
        if len(self.requirements) > MOST_SHOWN:
            shown += f" and {len(self.requirements) - MOST_SHOWN} more"
        if not number:
            return f"{shown} {self.what}"
        return f"{number} {'test' if number == 1 else 'tests'} {self.what}{f' ({shown})' if shown else ''}"


def parse(text: str) -> frozenset[str]:
    """Read the words of --fail-on. Raises UserError for an unknown one."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in TIGHTER:
            raise UserError(f"--fail-on {word}: no such word; there are {', '.join(TIGHTER)}")
    return frozenset(words)


def worse(found: Comparison, also: Collection[str] = ()) -> list[Finding]:
    """Return what got worse, by what always counts and by what the user asked for besides."""
    levels = ("must", "should") if "should" in also else ("must",)
    return [finding for finding in _findings(found, also, levels) if finding.tests or finding.requirements]


def _findings(found: Comparison, also: Collection[str], levels: Collection[str]) -> Iterator[Finding]:
    tests = [test for test in found.tests if test.level in levels]
    rows = [row for row in found.requirements if row.level in levels]

    def finding(what: str, chosen: list[TestChange], *changes: Change, missing: bool = False) -> Finding:
        ids = [row.id for row in rows if row.change in changes and row.missing is missing]
        counted = {row.id for row in rows}
        ids += [name for test in chosen for name in test.requirements if name in counted]
        order = {row.id: number for number, row in enumerate(rows)}
        return Finding(what, tuple(sorted(set(ids), key=order.__getitem__)), tuple(chosen))

    # A requirement that held and fails by a test that is new is newly failing as well.
    failing = {row.id for row in rows if row.change is Change.FAILING}
    yield finding(
        "newly failing",
        [
            test
            for test in tests
            if test.change is Change.FAILING or (_fails_new(test) and failing & set(test.requirements))
        ],
        Change.FAILING,
    )
    yield finding("lost", [t for t in tests if t.change is Change.LOST and not t.missing], Change.LOST)
    if "missing" in also:
        chosen = [test for test in tests if test.change is Change.LOST and test.missing]
        yield finding("not got to", chosen, Change.LOST, missing=True)
    if "new" in also:
        chosen = [t for t in tests if _fails_new(t) and not failing & set(t.requirements)]
        yield finding("new and failing", chosen)
    if "flaky" in also:
        yield finding("flaky now", [test for test in tests if became_flaky(test)])
    if "changed" in also:
        yield finding("failing otherwise", [test for test in tests if test.change is Change.OTHERWISE])
    if "only-in-a" in also:
        yield finding("only in A", [test for test in tests if test.change is Change.ONLY_A])
    if "slower" in also:
        slow = {(time.topology, time.nodeid) for time in found.times if time.slower}
        yield finding("slower", [test for test in tests if (test.topology, test.nodeid) in slow])


def _fails_new(test: TestChange) -> bool:
    return test.change is Change.NEW and test.b is not None and test.b.outcome in BAD


def became_flaky(test: TestChange) -> bool:
    """Whether a test flickers in B that did not in A."""
    return test.change is Change.FLAKY and not (test.a and test.a.outcome is Outcome.FLAKY)


def incomplete(found: Comparison) -> str:
    """Return which run is incomplete and why, empty when both are whole."""
    return "; ".join(
        f"{side.label} is incomplete: {side.incomplete}" for side in (found.a, found.b) if side.incomplete
    )


def status(found: Comparison, also: Collection[str] = ()) -> int:
    """Return the exit status: 1 when something got worse, 3 when that cannot be said of all, else 0."""
    if worse(found, also):
        return DEVIATES
    return INCOMPLETE if incomplete(found) else HOLDS

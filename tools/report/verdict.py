# SPDX-License-Identifier: GPL-2.0-only
"""What the events mean: a verdict for each test, each requirement and the run.

A test starts out as MISS and earns another outcome by a result. A requirement holds when at least one of its
tests passed and none failed, broke or went missing, on whatever topology. One that only deviates in a known
way does not hold either, and does not fail the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from tools.known.entry import Entry
from tools.known.judge import entries_of, recognise, stale
from tools.report.complaints import Complaint, complaints
from tools.report.events import Event, Outcome
from tools.report.outcomes import NEVER_STARTED, TestVerdict, named, tests_of

__all__ = [
    "DEVIATES",
    "DEVIATION",
    "DEVIATIONS",
    "HOLDS",
    "INCOMPLETE",
    "NEVER_PLANNED",
    "NEVER_STARTED",
    "UNABLE",
    "RequirementVerdict",
    "Tally",
    "TestVerdict",
    "Verdict",
    "as_event",
    "judge",
]

#: Exit statuses of a run; tools/cli documents them for the user.
HOLDS, DEVIATES, UNABLE, INCOMPLETE = 0, 1, 2, 3
#: What a FAIL is called where only requirements of level should are at stake.
DEVIATION = "DEVIATION"
NEVER_PLANNED = "no test was planned; its guests never got ready"
#: Outcomes of a requirement that does not hold, worst first.
DEVIATIONS = (Outcome.FAIL, Outcome.ERROR, Outcome.FLAKY)
_WORST_FIRST = (*DEVIATIONS, Outcome.MISS, Outcome.KNOWN, Outcome.PASS, Outcome.SKIP)


class RequirementLike(Protocol):
    """The part of a catalogue row that a verdict needs."""

    @property
    def id(self) -> str: ...
    @property
    def chapter(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def statement(self) -> str: ...
    @property
    def source(self) -> str: ...
    def expected(self, dialect: str) -> str | None: ...


@dataclass(frozen=True)
class Tally:
    """How many tests had which outcome."""

    counts: Mapping[Outcome, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def of(self, outcome: Outcome) -> int:
        return self.counts.get(outcome, 0)

    @property
    def outcome(self) -> Outcome:
        """The verdict of these tests together; "-" when there are none."""
        for outcome in _WORST_FIRST:
            if self.of(outcome):
                return outcome
        return Outcome.NONE


@dataclass(frozen=True)
class RequirementVerdict:
    """One catalogue row; `known` is False for an id that the catalogue does not have (any more)."""

    id: str
    chapter: str
    level: str
    statement: str
    by_topology: Mapping[str, Tally]
    expected: str | None = None  # by the dialect of the kernel under test; None where nobody has said
    known: bool = True
    source: str = ""  # where the promise is made

    @property
    def outcome(self) -> Outcome:
        """The worst of all topologies."""
        counts: Counter[Outcome] = Counter()
        for tally in self.by_topology.values():
            counts.update(tally.counts)
        return Tally(counts).outcome

    @property
    def deviates(self) -> bool:
        return self.outcome in DEVIATIONS

    @property
    def word(self) -> str:
        """The outcome as people read it."""
        return _word(self.outcome, self.level)


@dataclass(frozen=True)
class Verdict:
    """Everything the reports need."""

    run: Event
    topologies: tuple[str, ...]
    unplanned: tuple[str, ...]
    tests: tuple[TestVerdict, ...]
    requirements: tuple[RequirementVerdict, ...]
    problems: tuple[Event, ...]
    seconds: float
    exit: int
    splats: tuple[Complaint, ...] = ()
    entries: tuple[Entry, ...] = ()  # exceptions that were given
    stale: tuple[str, ...] = ()  # what is said of those that have outlived their reason
    resumed: int = 0  # times that the run was taken up again
    headless: bool = False  # the record has lost its beginning, so that nobody knows what was planned

    @property
    def counts(self) -> Tally:
        return Tally(Counter(test.outcome for test in self.tests))

    def level(self, test: TestVerdict) -> str:
        """ "must" unless every requirement of the test is a "should"."""
        levels = {self._levels[name] for name in test.requirements if name in self._levels}
        return "should" if levels == {"should"} else "must"

    def word(self, test: TestVerdict) -> str:
        """The test's outcome as people read it: a FAIL of level should is a DEVIATION."""
        return _word(test.outcome, self.level(test))

    @cached_property
    def expected(self) -> dict[str, str]:
        """What the kernel's dialect expects, by requirement; without those of which nobody has said it."""
        return {row.id: row.expected for row in self.requirements if row.expected}

    @cached_property
    def _levels(self) -> dict[str, str]:
        return {row.id: row.level for row in self.requirements}

    @cached_property
    def cases(self) -> tuple[TestVerdict, ...]:
        """The tests as the forms for other programs list them: a topology without any is one that never ran.

        A form without it would look as good as one where everything passed.
        """
        told = {event.get("topology"): str(event.get("message")) for event in reversed(self.problems)}
        lost = (
            TestVerdict(name, "guests::plan", Outcome.MISS, (), message=told.get(name) or NEVER_PLANNED)
            for name in self.unplanned
        )
        return (*self.tests, *lost)


def _word(outcome: Outcome, level: str) -> str:
    return DEVIATION if outcome is Outcome.FAIL and level == "should" else str(outcome)


def judge(
    events: Iterable[Event],
    catalogue: Iterable[RequirementLike],
    exceptions: Iterable[Entry] | None = None,
) -> Verdict:
    """Join the events of a run with the catalogue. `exceptions` are used instead of those in the record.
    Never raises on an incomplete record."""
    found = list(events)
    run = next((event for event in found if event["event"] == "run-start"), {})
    plans: dict[str, Event] = {}
    for event in named(found, "plan"):
        plans.setdefault(event["topology"], event)
    topologies = tuple(dict.fromkeys([*run.get("topologies", ()), *plans]))
    entries = tuple(entries_of(found) if exceptions is None else exceptions)
    tests = tuple(tests_of(found, plans, lambda test: recognise(test, entries, run)))
    requirements = tuple(_requirements(tests, topologies, catalogue, str(run.get("dialect") or "")))
    unplanned = tuple(name for name in topologies if name not in plans)
    headless = not run or any(event["topology"] not in plans for event in named(found, "test"))
    parts = _parts(found)
    verdict = Verdict(
        run,
        topologies,
        unplanned,
        tests,
        requirements,
        tuple(named(parts[-1], "problem")),
        sum(map(_seconds, parts)),
        UNABLE,
        tuple(complaints(found)),
        entries,
        tuple(stale(entries, tests, found, run)),
        len(parts) - 1,
        headless,
    )
    object.__setattr__(verdict, "exit", _exit(verdict))
    return verdict


def _parts(events: Sequence[Event]) -> list[list[Event]]:
    """The events of each time that the run went on: it may have been killed and resumed. Problems of an
    earlier part were the reason to resume it."""
    parts: list[list[Event]] = [[]]
    for event in events:
        if event["event"] == "resume":
            parts.append([])
        parts[-1].append(event)
    return parts


def _seconds(events: Iterable[Event]) -> float:
    # The end of a run that was killed is written by the report that somebody asks for later.
    lived = [event for event in events if event["event"] != "run-end"]
    times = [float(event["time"]) for event in lived if isinstance(event.get("time"), int | float)]
    return max(times) - min(times) if times else 0.0


def _requirements(
    tests: Iterable[TestVerdict],
    topologies: Iterable[str],
    catalogue: Iterable[RequirementLike],
    dialect: str,
) -> Iterable[RequirementVerdict]:
    counts: dict[str, dict[str, Counter[Outcome]]] = {}
    for test in tests:
        for identifier in test.requirements:
            counts.setdefault(identifier, {}).setdefault(test.topology, Counter())[test.outcome] += 1
    order = list(topologies)

    def tallies(identifier: str) -> dict[str, Tally]:
        return {name: Tally(counts.get(identifier, {}).get(name, {})) for name in order}

    rows: dict[str, RequirementLike] = {row.id: row for row in catalogue}
    for identifier, row in rows.items():
        yield RequirementVerdict(
            identifier,
            row.chapter,
            row.level,
            row.statement,
            tallies(identifier),
            row.expected(dialect),
            source=row.source,
        )
    for identifier in sorted(set(counts) - set(rows)):
        chapter = identifier.partition("-")[0]
        statement = "(not in the catalogue)"
        yield RequirementVerdict(identifier, chapter, "must", statement, tallies(identifier), known=False)


def _exit(verdict: Verdict) -> int:
    """A deviation that was seen is final: nothing that is missing can undo it, so it comes before
    "incomplete"."""
    kinds = {event.get("kind") for event in verdict.problems}
    if kinds & {"usage", "collection"}:
        return UNABLE
    if not verdict.tests:
        return INCOMPLETE if "interrupted" in kinds else UNABLE
    bad = [test for test in verdict.tests if test.outcome in DEVIATIONS]
    if any(verdict.level(test) == "must" for test in bad):
        return DEVIATES
    if verdict.unplanned or verdict.headless or verdict.counts.of(Outcome.MISS):
        return INCOMPLETE
    return UNABLE if verdict.stale else HOLDS


def as_event(verdict: Verdict) -> dict[str, Any]:
    """The fields of run-end."""
    return {
        "exit": verdict.exit,
        "counts": {str(outcome): number for outcome, number in verdict.counts.counts.items()},
        "requirements": {
            row.id: str(row.outcome) for row in verdict.requirements if row.outcome is not Outcome.NONE
        },
        "splats": [one.event() for one in verdict.splats],
        "known": [
            {"topology": test.topology, "nodeid": test.nodeid, "by": test.known.name}
            for test in verdict.tests
            if test.known is not None
        ],
        "stale": list(verdict.stale),
    }

# SPDX-License-Identifier: GPL-2.0-only
"""One of the two runs: its record, read and judged, or the reason why it cannot be compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from helpers.rounds import without_round
from tools.errors import UserError
from tools.report.events import FILE, Event, Outcome
from tools.report.outcomes import TestVerdict
from tools.report.record import load as load_record
from tools.report.record import meaning
from tools.report.verdict import RequirementLike, Verdict, judge

#: What joins two runs: topology and node id, without the round of a repeated run.
Key = tuple[str, str]

_WORTHLESS = ("usage", "collection")  # problems after which a run's results mean nothing
_SELECTING = {"-k", "-m", "--req"}
#: What kernels did while no test ran (tools/report/outcomes.py).
_GUEST, _SPLAT = "guests::", "guests::splat-"


@dataclass(frozen=True)
class Side:
    """A run. `label` is A or B, `path` as the user gave it."""

    label: str
    path: Path
    events: Sequence[Event]
    verdict: Verdict
    damaged: int  # lines of the record that are no event

    @property
    def run(self) -> Event:
        """The fields of run-start; empty when the record has lost its head."""
        return self.verdict.run

    @property
    def kernel(self) -> Mapping[str, Any]:
        """What run-start says about the kernel."""
        found = self.run.get("kernel")
        return found if isinstance(found, Mapping) else {}

    @property
    def dialect(self) -> str:
        """The kernel's dialect, empty when nobody could say."""
        return str(self.run.get("dialect") or "")

    @cached_property
    def tests(self) -> Mapping[Key, TestVerdict]:
        """The tests by what joins them. No two runs have kernels that died between two tests in the same
        place: they are joined by how they died, and each such death with one of the other run, those first
        that nobody knows, so that one more is one too many. Splats there have names that last."""
        found: dict[Key, TestVerdict] = {}
        deaths: dict[Key, list[TestVerdict]] = {}
        for test in self.verdict.tests:
            if test.nodeid.startswith(_GUEST) and not test.nodeid.startswith(_SPLAT):
                deaths.setdefault((test.topology, f"{_GUEST}{test.kind}"), []).append(test)
            else:
                found[test.topology, test.nodeid] = test
        for (topology, name), several in deaths.items():
            for number, test in enumerate(sorted(several, key=_is_known), 1):
                nodeid = name if number == 1 else f"{name}-{number}"
                found[topology, nodeid] = replace(test, nodeid=nodeid)
        return found

    @property
    def selection(self) -> tuple[str, ...]:
        """What the command line said about the choice of tests."""
        return tuple(_selection([str(word) for word in self.run.get("argv") or ()]))

    @property
    def missing(self) -> int:
        """Planned tests without a result."""
        return self.verdict.counts.of(Outcome.MISS)

    @property
    def incomplete(self) -> str:
        """Why this run does not show all that it was to show, empty when it does."""
        if self.verdict.unplanned:
            return f"it never began on {', '.join(self.verdict.unplanned)}"
        if self.missing:
            return f"{self.missing} planned {'test has' if self.missing == 1 else 'tests have'} no result"
        return (
            "" if any(event["event"] == "plan" for event in self.events) else "its record has lost the plan"
        )

    def accel(self, topology: str) -> str:
        """What ran the guests of a topology: kvm, tcg, or nothing for this machine itself."""
        found = (e for e in self.events if e["event"] == "session-start" and e.get("topology") == topology)
        return str(next(found, {}).get("accel") or "")

    @cached_property
    def durations(self) -> Mapping[Key, Sequence[float]]:
        """Seconds of each round that passed, by test: of the test itself, without its fixtures, whose
        first user pays for the others."""
        found: dict[Key, list[float]] = {}
        for event in self.events:
            if event["event"] == "test" and event.get("outcome") == Outcome.PASS:
                seconds = (event.get("phases") or {}).get("call", event.get("duration"))
                key = (str(event["topology"]), without_round(str(event["nodeid"])))
                found.setdefault(key, []).append(float(seconds or 0))
        return found


def _is_known(test: TestVerdict) -> bool:
    return test.outcome is Outcome.KNOWN


def _selection(argv: Sequence[str]) -> Iterator[str]:
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            yield from words
        elif name in _SELECTING:
            yield f"{name} {value if equals else next(words, '')}"


def load(label: str, path: Path, catalogue: Mapping[str, RequirementLike]) -> Side:
    """Read a run: its directory, or the record in it.

    Raises UserError for what is no run, holds no test, or means nothing.
    """
    recording = load_record(path, f"{label} ")
    record = path / FILE if path.is_dir() else path
    events = recording.events
    start: Event = next((event for event in events if event["event"] == "run-start"), {})
    _check(label, record, events, start)
    return Side(label, path, events, _judged(label, record, events, catalogue), recording.damaged)


def _check(label: str, record: Path, events: Sequence[Event], start: Event) -> None:
    if any(event["event"] == "faults" for event in events) or list(start.get("argv") or ())[:1] == ["faults"]:
        raise UserError(
            f"{label} {record}: a run of pnode faults, on a kernel broken on purpose; give others"
        )


def _judged(
    label: str, record: Path, events: Sequence[Event], catalogue: Mapping[str, RequirementLike]
) -> Verdict:
    with meaning(record, f"{label} "):
        verdict = judge(events, catalogue.values())
    problem = next((event for event in verdict.problems if event.get("kind") in _WORTHLESS), None)
    if problem is not None:
        raise UserError(f"{label} {record}: that run could not judge its kernel: {problem.get('message')}")
    if not any(test.outcome is not Outcome.MISS for test in verdict.tests):
        said = next((f": {event.get('message')}" for event in verdict.problems), "")
        raise UserError(f"{label} {record}: no test of it has a result{said}; there is nothing to compare")
    return verdict

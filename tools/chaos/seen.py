# SPDX-License-Identifier: GPL-2.0-only
"""What the runner made of a session with faults, beside what it had to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from tools.chaos.data import GOOD, Fault
from tools.chaos.plan import Session
from tools.report.events import Event, Outcome
from tools.report.finishing import verdict_of
from tools.report.outcomes import named
from tools.report.verdict import TestVerdict

#: Of the seen message, in the table.
_CLIPPED = 90


@dataclass
class Row:
    """A fault: what was expected, what was seen, and what of it is wrong (nothing: as expected)."""

    session: str  # name of the directory
    nodeid: str
    fault: str
    expected: str
    seen: str
    message: str
    seconds: float
    wrong: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.wrong

    def json(self) -> dict[str, Any]:
        """All of it, for --json."""
        return {**vars(self), "good": self.good}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The same again. Raises TypeError and KeyError for what is none."""
        return cls(**{name: told[name] for name in cls.__dataclass_fields__})


def compare(session: Session, events: Sequence[Event], name: str) -> list[Row]:
    """A row for each fault of a session, and one for each good test that noticed any."""
    verdicts = {test.nodeid: test for test in verdict_of(events, {}).tests}
    results = _by_nodeid(events, "test")
    lost = _by_nodeid((event for event in events if event.get("state") == "lost"), "guest")
    # Where the runner was ended, good tests may have no result; those that have one have passed.
    cut_short = any(fault.outcome is Outcome.MISS for fault in session.faults)
    rows = []
    for nodeid, fault in zip(session.nodeids(), session.faults, strict=True):
        verdict = verdicts.pop(nodeid, None)
        of_it = results.get(nodeid, [])
        row = _row(fault, nodeid, verdict, of_it, lost.pop(nodeid, []), name, cut_short)
        if fault is not GOOD or row.wrong:
            rows.append(row)
    for nodeid, verdict in verdicts.items():
        rows.append(_stray(name, nodeid, "a result that nobody planned", verdict))
    for nodeid, events_of in lost.items():
        for event in events_of:
            row = _stray(name, nodeid, f"a guest was lost: {event.get('kind')}: {event.get('reason')}", None)
            rows.append(row)
    return rows


def _by_nodeid(events: Iterable[Event], what: str) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in named(events, what):
        nodeid = event.get("nodeid") or f"between two tests, after {event.get('after')}"
        found.setdefault(str(nodeid), []).append(event)
    return found


def _row(
    fault: Fault,
    nodeid: str,
    verdict: TestVerdict | None,
    results: Sequence[Event],
    lost: Sequence[Event],
    session: str,
    cut_short: bool,
) -> Row:
    if verdict is None:
        return Row(session, nodeid, fault.name, fault.expected, "nothing", "", 0.0, ["it was never planned"])
    seen = f"{verdict.outcome} {verdict.kind}" if verdict.kind else str(verdict.outcome)
    wrong = [] if seen == fault.expected else ["outcome or kind"]
    if fault is GOOD and cut_short and verdict.outcome is Outcome.MISS:
        wrong = []
    if verdict.outcome is not Outcome.MISS and len(results) != 1:
        wrong.append(f"reported {len(results)} times")
    if not fault.says.search(verdict.message):
        wrong.append(f"its message does not say {fault.says.pattern!r}")
    kept = "\n".join([verdict.detail, *(text for _, text in verdict.sections)])
    wrong += [f"it does not show {shown.pattern!r}" for shown in fault.shows if not shown.search(kept)]
    kinds = [str(event.get("kind")) for event in lost]
    expected = [str(fault.guest)] if fault.guest else []
    if verdict.outcome is not Outcome.MISS and kinds != expected:
        wrong.append(f"guests lost with it: {', '.join(kinds) or 'none'}")
    message = verdict.message.partition("\n")[0]
    return Row(session, nodeid, fault.name, fault.expected, seen, message, verdict.duration, wrong)


def _stray(session: str, nodeid: str, what: str, verdict: TestVerdict | None) -> Row:
    seen = str(verdict.outcome) if verdict else "lost guest"
    return Row(session, nodeid, "none", "nothing", seen, what, 0.0, ["nothing of that was injected"])


def problems(events: Iterable[Event], expected: Sequence[str]) -> list[str]:
    """What is wrong with what was said outside any test: each of `expected` has to be in one of them, and
    there must be no others."""
    said = [str(event.get("message")) for event in named(events, "problem")]
    wrong = [f"no problem says {text!r}" for text in expected if not any(text in one for one in said)]
    wrong += [f"problem: {one}" for one in said if not any(text in one for text in expected)]
    return wrong


def lines(rows: Sequence[Row], seconds: float, seeds: Sequence[int]) -> Iterable[str]:
    """The table: how often each fault was injected and attributed as expected; then what was not."""
    by_fault: dict[str, list[Row]] = {}
    for row in rows:
        by_fault.setdefault(row.fault, []).append(row)
    width = max([len(name) for name in by_fault] or [1])
    expected = max([len(row.expected) for row in rows] or [1])
    yield f"{'fault':<{width}}  {'expected':<{expected}}  as expected  for example"
    for name, of_fault in sorted(by_fault.items()):
        good = sum(row.good for row in of_fault)
        first = of_fault[0]
        count, example = f"{good} of {len(of_fault)}", first.message[:_CLIPPED]
        yield f"{name:<{width}}  {first.expected:<{expected}}  {count:<11}  {example}".rstrip()
    for row in rows:
        if row.wrong:
            yield f"WRONG {row.nodeid} ({row.session}):"
            yield f"      {row.expected} expected, {row.seen} seen: {row.message}"
            for what in row.wrong:
                yield f"      {what}"
    good = sum(row.good for row in rows)
    told = f"seed{'s' if len(seeds) > 1 else ''} {' '.join(map(str, seeds))}"
    yield f"{good} of {len(rows)} faults attributed as expected in {seconds:.0f} s, {told}"

# SPDX-License-Identifier: GPL-2.0-only
"""What became of each test: a test starts out as MISS and earns another outcome by a result.

Where a run repeats its tests (fixtures/repeat.py), the rounds of a test are taken together: a result that
differs between them is FLAKY, whatever most of them say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tools.report.crash import KERNEL_DEATHS
from tools.report.events import Event, Outcome
from tools.report.names import chapter_of, without_round

__all__ = ["NEVER_STARTED", "TestVerdict", "named", "tests_of"]

NEVER_STARTED = "never started"
#: Rounds of a flaky test whose messages are shown.
MOST_SHOWN = 5


@dataclass(frozen=True)
class TestVerdict:
    """One test on one topology; `nodeid` begins with "guests::" for a kernel that died between two tests."""

    __test__ = False  # not a test class, whatever pytest makes of the name

    topology: str
    nodeid: str
    outcome: Outcome
    requirements: tuple[str, ...]
    kind: str | None = None
    message: str = ""
    detail: str = ""
    duration: float = 0.0
    slot: int | None = None
    console: str | None = None
    properties: tuple[tuple[str, str], ...] = ()
    sections: tuple[tuple[str, str], ...] = ()
    rounds: int = 1  # how often it was to run
    seen: tuple[Outcome, ...] = ()  # what became of each round, where there were several

    @property
    def chapter(self) -> str:
        return chapter_of(self.requirements, self.nodeid)

    @property
    def bad(self) -> bool:
        """Whether it shows a deviation or fails to show anything."""
        return self.outcome in (Outcome.FAIL, Outcome.ERROR, Outcome.FLAKY, Outcome.MISS)


def named(events: Iterable[Event], name: str) -> Iterable[Event]:
    """The events of one kind."""
    return (event for event in events if event["event"] == name)


def tests_of(events: Sequence[Event], plans: Mapping[str, Event]) -> Iterator[TestVerdict]:
    """Every planned test, then the kernels that died between two tests."""
    together: dict[tuple[str, str], list[TestVerdict]] = {}
    for test in _tests(events, plans):
        together.setdefault((test.topology, without_round(test.nodeid)), []).append(test)
    for (_, nodeid), rounds in together.items():
        yield rounds[0] if len(rounds) == 1 else _over_rounds(nodeid, rounds)
    yield from _deaths(events)


def _over_rounds(nodeid: str, rounds: Sequence[TestVerdict]) -> TestVerdict:
    """One verdict for all rounds: theirs where they agree, FLAKY where they do not, MISS where some are
    missing and the others passed."""
    finished = [test for test in rounds if test.outcome is not Outcome.MISS]
    seconds = round(sum(test.duration for test in finished), 6)
    counts = Counter(test.outcome for test in rounds)
    if len({test.outcome for test in finished}) > 1:
        odd = [test for test in finished if test.bad] or finished
        told = ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common())
        shown = [f"{test.nodeid} {test.outcome}: {test.message or 'no message'}" for test in odd[:MOST_SHOWN]]
        return replace(
            odd[0],
            nodeid=nodeid,
            outcome=Outcome.FLAKY,
            message="\n".join([f"results differ in {len(rounds)} rounds: {told}", *shown]),
            detail="\n\n".join([*shown, odd[0].detail]),
            duration=seconds,
            rounds=len(rounds),
            seen=tuple(test.outcome for test in rounds),
        )
    missing = counts[Outcome.MISS]
    one = finished[0] if finished else rounds[0]
    if missing and finished and not one.bad:
        one = replace(one, outcome=Outcome.MISS, message=f"{missing} of {len(rounds)} rounds have no result")
    seen = tuple(test.outcome for test in rounds)
    return replace(one, nodeid=nodeid, duration=seconds, rounds=len(rounds), seen=seen)


def _tests(events: Sequence[Event], plans: Mapping[str, Event]) -> Iterable[TestVerdict]:
    results: dict[tuple[str, str], Event] = {}
    for event in named(events, "test"):
        results.setdefault((event["topology"], event["nodeid"]), event)
    started = {(event["topology"], event["nodeid"]) for event in named(events, "test-start")}
    planned = [(topology, nodeid) for topology, plan in plans.items() for nodeid in plan["tests"]]
    for key in dict.fromkeys([*planned, *results]):
        topology, nodeid = key
        if key in results:
            yield _result(results[key])
        else:
            ids = plans[topology].get("requirements", {}).get(nodeid, ())
            message = "started, but the run ended before its result" if key in started else NEVER_STARTED
            yield TestVerdict(topology, nodeid, Outcome.MISS, tuple(ids), message=message)


def _deaths(events: Iterable[Event]) -> Iterable[TestVerdict]:
    """Kernels that died while no test ran: no test's result shows it, so each counts as one that failed."""
    for event in named(events, "guest"):
        if event.get("state") != "lost" or event.get("kind") not in KERNEL_DEATHS or event.get("nodeid"):
            continue
        after = f"after {event['after']}" if event.get("after") else "before its first test"
        message = f"{event['kind']} between two tests, {after}: {event.get('reason')}"
        yield TestVerdict(
            event["topology"],
            f"guests::slot{event.get('slot')}-boot{event.get('boot')}",
            Outcome.FAIL,
            (),
            event["kind"],
            message,
            f"{message}\n\n{event.get('excerpt') or ''}".strip(),
            slot=event.get("slot"),
            console=event.get("console"),
        )


def _result(event: Event) -> TestVerdict:
    return TestVerdict(
        event["topology"],
        event["nodeid"],
        Outcome(event["outcome"]),
        tuple(event.get("requirements") or ()),
        event.get("kind"),
        event.get("message") or "",
        event.get("longrepr") or "",
        float(event.get("duration") or 0),
        event.get("slot"),
        event.get("console"),
        tuple((str(name), str(value)) for name, value in event.get("properties") or ()),
        tuple((str(title), str(text)) for title, text in event.get("sections") or ()),
    )

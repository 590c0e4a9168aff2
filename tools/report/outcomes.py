# SPDX-License-Identifier: GPL-2.0-only
"""What became of each test: a test starts out as MISS and earns another outcome by a result.

Where a run repeats its tests (fixtures/repeat.py), the rounds of a test are taken together: a result that
differs between them is FLAKY, whatever most of them say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from helpers.rounds import without_round
from tools.known.entry import Entry
from tools.report.crash import KERNEL_DEATHS
from tools.report.events import Event, Kind, Outcome
from tools.report.names import chapter_of

__all__ = ["NEVER_STARTED", "TestVerdict", "named", "of_event", "tests_of"]

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
    splats: tuple[str, ...] = ()  # digests of those that nobody allows
    lines: tuple[int, int] | None = None  # of the console: first and last
    known: Entry | None = None  # what says that its failure is known

    @property
    def chapter(self) -> str:
        return chapter_of(self.requirements, self.nodeid)

    @property
    def base(self) -> str:
        """The test, whichever round this is."""
        return without_round(self.nodeid)

    @property
    def bad(self) -> bool:
        """Whether it shows a deviation or fails to show anything."""
        return self.outcome in (Outcome.FAIL, Outcome.ERROR, Outcome.FLAKY, Outcome.MISS)


def named(events: Iterable[Event], name: str) -> Iterable[Event]:
    """The events of one kind."""
    return (event for event in events if event["event"] == name)


def tests_of(
    events: Sequence[Event],
    plans: Mapping[str, Event],
    explain: Callable[[TestVerdict], Entry | None],
) -> Iterator[TestVerdict]:
    """Every planned test, then what the kernel did while no test ran. `explain` finds what makes a failure a
    known one."""
    together: dict[tuple[str, str], list[TestVerdict]] = {}
    for test in (*_tests(events, plans), *_deaths(events), *_complaints(events)):
        told = replace(test, known=explain(replace(test, nodeid=test.base)))
        together.setdefault((test.topology, test.base), []).append(told)
    for (_, nodeid), rounds in together.items():
        yield _named(rounds[0] if len(rounds) == 1 else _over_rounds(nodeid, rounds))


def _named(test: TestVerdict) -> TestVerdict:
    """A failure that is known, under its own name."""
    known = test.outcome is Outcome.FAIL and test.known is not None
    return replace(test, outcome=Outcome.KNOWN) if known else test


def _over_rounds(nodeid: str, rounds: Sequence[TestVerdict]) -> TestVerdict:
    """One verdict for all rounds: theirs where they agree, FLAKY where they do not, MISS where some are
    missing and the others passed."""
    finished = [test for test in rounds if test.outcome is not Outcome.MISS]
    seconds = round(sum(test.duration for test in finished), 6)
    counts = Counter(test.outcome for test in rounds)
    excused = _excused(finished)
    if excused is None and len({test.outcome for test in finished}) > 1:
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
            known=None,
        )
    missing = counts[Outcome.MISS]
    # Where all fail, one whose reason is new tells more than those that are known.
    new = next((test for test in finished if test.known is None), None)
    one = excused or new or (finished or rounds)[0]
    if missing and finished and (not one.bad or one.known is not None):
        message = f"{missing} of {len(rounds)} rounds have no result"
        one = replace(one, outcome=Outcome.MISS, message=message, known=None)
    seen = tuple(test.outcome for test in rounds)
    return replace(one, nodeid=nodeid, duration=seconds, rounds=len(rounds), seen=seen)


def _excused(finished: Sequence[TestVerdict]) -> TestVerdict | None:
    """A known failure where each round either passed or failed by an issue that is known to come and go."""
    failed = [test for test in finished if test.outcome is not Outcome.PASS]
    known = all(test.known is not None and test.known.intermittent for test in failed)
    return failed[0] if failed and known else None


def _tests(events: Sequence[Event], plans: Mapping[str, Event]) -> Iterable[TestVerdict]:
    results: dict[tuple[str, str], Event] = {}
    for event in named(events, "test"):
        results.setdefault((event["topology"], event["nodeid"]), event)
    started = {(event["topology"], event["nodeid"]) for event in named(events, "test-start")}
    planned = [(topology, nodeid) for topology, plan in plans.items() for nodeid in plan["tests"]]
    for key in dict.fromkeys([*planned, *results]):
        topology, nodeid = key
        if key in results:
            yield of_event(results[key])
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


def _complaints(events: Iterable[Event]) -> Iterable[TestVerdict]:
    """Splats outside any test that nobody allows: each is a failure of its own, however many guests saw it.
    What a kernel died of is in the row of its death."""
    found: dict[tuple[str, str], list[Event]] = {}
    texts: dict[str, str] = {}
    for event in named(events, "splat"):
        texts.setdefault(event["digest"], event.get("text") or "")
        if event.get("nodeid") is None and event.get("allowed") is None and not event.get("fatal"):
            found.setdefault((event["topology"], event["digest"]), []).append(event)
    for (topology, digest), seen in found.items():
        first = seen[0]
        where = "at boot" if first.get("during") == "boot" else f"after {first.get('after')}"
        times = "" if len(seen) == 1 else f", and {len(seen) - 1} times more"
        message = f"{first['kind']} outside any test, {where}{times}: {first['title']}"
        yield TestVerdict(
            topology,
            f"guests::splat-{digest}",
            Outcome.FAIL,
            (),
            Kind.SPLAT,
            message,
            f"{message}\n\n{texts[digest]}".strip(),
            slot=first.get("slot"),
            console=first.get("console"),
            splats=(digest,),
        )


def of_event(event: Event) -> TestVerdict:
    """A result as its event has it, whatever is known about it."""
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
        splats=tuple(event.get("splats") or ()),
        lines=(event["lines"][0], event["lines"][1]) if event.get("lines") else None,
    )

# SPDX-License-Identifier: GPL-2.0-only
"""Which failures are known, and which exceptions have outlived their reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Protocol

from helpers import catalogue
from helpers.allowed import TEST, Allowed
from tools.guest.topology import DEFAULT
from tools.known.entry import ALLOWED, KNOWN, Entry
from tools.report.events import Event, Kind, Outcome

__all__ = ["allowed_on", "entries_of", "expiring", "for_tests", "recognise", "stale"]

#: Failures that say nothing about the state of the kernel: what an entry means that does not name another.
_ORDINARY = (Kind.ASSERTION, Kind.EXCEPTION)
#: Failures whose reason is a splat.
_BY_SPLAT = (Kind.SPLAT, Kind.PANIC, Kind.OOPS)
#: Days before its end in which an entry is mentioned.
SOON = 14


class Test(Protocol):
    """The part of a test's verdict that matters here."""

    @property
    def topology(self) -> str: ...
    @property
    def nodeid(self) -> str: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def requirements(self) -> Sequence[str]: ...
    @property
    def kind(self) -> str | None: ...
    @property
    def message(self) -> str: ...
    @property
    def splats(self) -> Sequence[str]: ...
    @property
    def known(self) -> Entry | None: ...


def entries_of(events: Iterable[Event]) -> list[Entry]:
    """The exceptions of a run: those of its last `known` event."""
    rows: Sequence[Mapping[str, Any]] = ()
    for event in events:
        if event["event"] == "known":
            rows = event.get("entries") or ()
    return [Entry.from_event(row) for row in rows]


def allowed_on(topology: str, entries: Iterable[Entry], run: Event) -> list[Allowed]:
    """The splats that are no finding on a topology."""
    return [
        one
        for entry in entries
        if entry.table == ALLOWED and entry.match.place(topology, run)
        for one in entry.allowed()
    ]


def for_tests(allowed: Iterable[Allowed]) -> list[Allowed]:
    """Those of them that tests have to know: the others are for what is said while no test runs."""
    return [one for one in allowed if one.during in (None, TEST)]


def recognise(test: Test, entries: Iterable[Entry], run: Event) -> Entry | None:
    """The known issue that explains a failure all by itself; None for a new one, and for what did not
    fail."""
    if test.outcome is not Outcome.FAIL:
        return None
    return next((entry for entry in entries if entry.table == KNOWN and _explains(entry, test, run)), None)


def _explains(entry: Entry, test: Test, run: Event) -> bool:
    match, seen = entry.match, set(test.splats)
    if not match.place(test.topology, run) or not match.subject(test.nodeid, test.requirements):
        return False
    if match.message is not None and not re.search(match.message, test.message, re.MULTILINE):
        return False
    if match.kind:
        fits = test.kind in match.kind
    elif match.splat:
        fits = test.kind in _BY_SPLAT
    else:
        fits = test.kind in _ORDINARY or match.message is not None
    if match.splat:
        return fits and bool(seen) and seen <= set(match.splat)
    # A splat that the entry does not know must not hide behind it; what the message quotes is known.
    return fits and len(seen) <= (1 if test.kind in _BY_SPLAT else 0)


def stale(entries: Iterable[Entry], tests: Sequence[Test], events: Iterable[Event], run: Event) -> list[str]:
    """Entries that nothing matched although this run had every reason to: one line each."""
    used = {event.get("by") for event in events if event["event"] == "splat"}
    used |= {test.known.name for test in tests if test.known is not None}
    lines = []
    for entry in entries:
        if entry.builtin or entry.intermittent or entry.name in used or not _covered(entry, run):
            continue
        concerned = [
            test
            for test in tests
            if entry.match.place(test.topology, run) and entry.match.subject(test.nodeid, test.requirements)
        ]
        passed = sum(test.outcome is Outcome.PASS for test in concerned)
        if passed and all(test.outcome in (Outcome.PASS, Outcome.SKIP) for test in concerned):
            word = "its test" if passed == 1 else f"its {passed} tests"
            lines.append(f"{entry}: nothing matched, although {word} ran and passed; remove it")
    return lines


def _covered(entry: Entry, run: Event) -> bool:
    """Whether the run had all the tests that the entry is about. A choice of tests may have left out just
    those that fail."""
    topologies = set(run.get("topologies") or ())
    if not set(entry.match.topology or DEFAULT) <= topologies:
        return False
    words = run.get("selection")
    if words is None:
        return False
    if not words:
        return True
    chosen = [words[number + 1] for number, word in enumerate(words[:-1]) if word == "--req"]
    narrowed = len(words) != 2 * len(chosen)
    wanted = entry.match.requirement
    return (
        not narrowed
        and entry.table != ALLOWED
        and bool(wanted)
        and all(any(catalogue.matches(one, identifier) for one in chosen) for identifier in wanted)
    )


def expiring(entries: Iterable[Entry], run: Event) -> list[str]:
    """Entries that end within SOON days of the run: one line each."""
    began = run.get("time")
    if not isinstance(began, int | float):
        return []
    today = datetime.fromtimestamp(began, UTC).date()
    return [
        f"{entry}: expires on {entry.expires}, {_in_days(entry.expires, today)}"
        for entry in entries
        if (entry.expires - today).days <= SOON
    ]


def _in_days(end: date, today: date) -> str:
    days = (end - today).days
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")

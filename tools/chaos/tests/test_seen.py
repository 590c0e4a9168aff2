# SPDX-License-Identifier: GPL-2.0-only
"""The comparison notices whatever is not as expected."""

from collections.abc import Callable
from typing import Any

import pytest

from tools.chaos import data, seen
from tools.chaos.data import GOOD
from tools.chaos.plan import Session

SESSION = Session((GOOD, data.load()["panic"], GOOD))
FIRST, PANIC, LAST = SESSION.nodeids()
Events = list[dict[str, Any]]


def result(nodeid: str, outcome: str = "PASS", kind: str | None = None, **fields: Any) -> dict[str, Any]:
    base = {"event": "test", "topology": "fast", "nodeid": nodeid, "outcome": outcome, "kind": kind}
    return {**base, "message": "", "longrepr": "", "sections": [], "duration": 1.0, **fields}


@pytest.fixture
def events() -> Events:
    """A run in which all is as it should be."""
    lost = {"event": "guest", "topology": "fast", "state": "lost", "kind": "panic", "nodeid": PANIC}
    told = "Kernel panic - not syncing"
    return [
        {"event": "run-start", "topologies": ["fast"]},
        {"event": "plan", "topology": "fast", "tests": SESSION.nodeids()},
        result(FIRST),
        lost,
        result(PANIC, "FAIL", "panic", message="panic: sysrq triggered crash", longrepr=told),
        result(LAST),
    ]


def wrong(events: Events) -> list[str]:
    return [f"{row.fault}: {what}" for row in seen.compare(SESSION, events, "s") for what in row.wrong]


def test_all_as_expected(events: Events) -> None:
    (row,) = seen.compare(SESSION, events, "s")
    assert row.good
    assert (row.fault, row.expected, row.seen) == ("panic", "FAIL panic", "FAIL panic")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda events: events[4].update(kind="oops"), "panic: outcome or kind"),
        (lambda events: events[4].update(message="panic: another"), "panic: its message does not say"),
        (lambda events: events[4].update(longrepr=""), "panic: it does not show"),
        (lambda events: events.append(events[4]), "panic: reported 2 times"),
        (lambda events: events.pop(4), "panic: outcome or kind"),
        (lambda events: events.pop(3), "panic: guests lost with it: none"),
        (lambda events: events.insert(3, events[3]), "panic: guests lost with it: panic, panic"),
        (lambda events: events[3].update(nodeid=LAST), "good: guests lost with it: panic"),
        (lambda events: events[3].update(nodeid=None, after=PANIC), "none: nothing of that was injected"),
        (lambda events: events[5].update(outcome="FAIL", kind="splat"), "good: outcome or kind"),
        (lambda events: events.pop(5), "good: outcome or kind"),
        (lambda events: events.append(result("other")), "none: nothing of that was injected"),
    ],
)
def test_what_is_not_as_expected_is_told(events: Events, change: Callable[[Events], Any], told: str) -> None:
    change(events)
    assert any(line.startswith(told) for line in wrong(events)), wrong(events)


def test_problems_are_expected_or_wrong() -> None:
    events = [{"event": "problem", "message": "guest slot0 could not be replaced: x"}]
    assert seen.problems(events, ["could not be replaced"]) == []
    assert seen.problems(events, []) == ["problem: guest slot0 could not be replaced: x"]
    assert seen.problems([], ["interrupted"]) == ["no problem says 'interrupted'"]


def test_the_table_counts_and_shows_what_is_wrong(events: Events) -> None:
    events[4]["kind"] = "oops"
    rows = seen.compare(SESSION, events, "session00")
    lines = list(seen.lines(rows, 12.3, [7]))
    assert lines[1] == "panic  FAIL panic  0 of 1       panic: sysrq triggered crash"
    assert "      FAIL panic expected, FAIL oops seen: panic: sysrq triggered crash" in lines
    assert lines[-1] == "0 of 1 faults attributed as expected in 12 s, seed 7"

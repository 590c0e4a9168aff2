# SPDX-License-Identifier: GPL-2.0-only
"""Time line of the guests: for each session its slots over time, with boots, tests, idle time and losses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from helpers.rounds import without_round
from tools.report.events import Event, Outcome
from tools.report.html.words import Levels, duration
from tools.report.outcomes import named
from tools.report.verdict import TestVerdict, Verdict

__all__ = ["Bar", "Lane", "Loss", "Session", "sessions_of"]

#: Units of the drawing: the time axis is this wide; what is narrower than NARROW is drawn without a title.
WIDTH = 1000.0
NARROW = 4.0
#: Seconds between two marks of the axis, the first that gives no more than MARKS of them.
STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200)
MARKS = 12


@dataclass(frozen=True)
class Bar:
    """A stretch of time: `status` is a word for a result, "boot" or "collect". x and width in units."""

    status: str
    x: float
    width: float
    title: str
    anchor: str | None = None


@dataclass(frozen=True)
class Loss:
    """A guest that went away."""

    x: float
    title: str
    anchor: str | None


@dataclass
class Lane:
    """A slot. `small` has the many short tests that passed, as (x, width)."""

    label: str
    bars: list[Bar] = field(default_factory=list)
    small: list[tuple[float, float]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    tests: int = 0
    busy: float = 0.0
    booting: float = 0.0


@dataclass(frozen=True)
class Session:
    """A topology's session. `marks` are (x, label); `ended` is False when the record breaks off in it."""

    topology: str
    accel: str | None
    seconds: float
    lanes: tuple[Lane, ...]
    marks: tuple[tuple[float, str], ...]
    ended: bool


def sessions_of(
    events: Sequence[Event], verdict: Verdict, levels: Levels, anchors: Mapping[tuple[str, str], str]
) -> list[Session]:
    """Every topology on which a guest or a test was, in the order of the run."""
    tests = {(test.topology, test.nodeid): test for test in verdict.tests}
    found = []
    for topology in verdict.topologies:
        own = [event for event in events if event.get("topology") == topology and _time(event) is not None]
        if own:
            found.append(_Drawing(topology, own, tests, levels, anchors).session())
    return [session for session in found if session.lanes]


class _Drawing:
    """Collects one session. Times are seconds since the epoch until they become units."""

    def __init__(
        self,
        topology: str,
        events: Sequence[Event],
        tests: Mapping[tuple[str, str], TestVerdict],
        levels: Levels,
        anchors: Mapping[tuple[str, str], str],
    ) -> None:
        self._topology, self._events = topology, events
        self._tests, self._levels, self._anchors = tests, levels, anchors
        first = min([_seconds(event["time"]) for event in events] + [start for _, start, _ in self._boots()])
        last = max([_seconds(event["time"]) for event in events])
        self._start, self._length = first, max(last - first, 0.001)
        self._lanes: dict[Any, Lane] = {}

    def session(self) -> Session:
        for slot, start, end in self._boots():
            lane = self._lane(slot)
            lane.booting += end - start
            lane.bars.append(self._bar("boot", start, end, f"boot, {duration(end - start)}"))
        for slot, start, end in self._collections():
            self._lane(slot).bars.append(
                self._bar("collect", start, end, f"worker starts and collects, {duration(end - start)}")
            )
        self._add_tests()
        self._add_losses()
        opening: Event = next(iter(named(self._events, "session-start")), {})
        lanes = sorted(self._lanes.items(), key=lambda entry: (entry[0] is None, entry[0]))
        return Session(
            self._topology,
            opening.get("accel"),
            self._length,
            tuple(lane for _, lane in lanes),
            tuple(self._marks()),
            any(named(self._events, "session-end")),
        )

    def _lane(self, slot: Any) -> Lane:
        slot = slot if isinstance(slot, int) else None
        return self._lanes.setdefault(slot, Lane("here" if slot is None else f"slot{slot}"))

    def _x(self, time: float) -> float:
        return round(min(max((time - self._start) / self._length, 0.0), 1.0) * WIDTH, 2)

    def _bar(self, status: str, start: float, end: float, title: str, anchor: str | None = None) -> Bar:
        return Bar(status, self._x(start), round(max(self._x(end) - self._x(start), 0.3), 2), title, anchor)

    def _boots(self) -> Iterator[tuple[Any, float, float]]:
        """(slot, start, end) of each boot. The first guests are recorded together when the last is ready:
        those that booted began first, those that went on from a state came last; that of a replacement lasts
        from the loss until its worker is up."""
        ready = [event for event in named(self._events, "guest") if event.get("state") == "ready"]
        took = {id(event): event.get("seconds") or {} for event in ready}
        booting = [_seconds(seconds.get("up") or seconds.get("ready")) for seconds in took.values()]
        for event in ready:
            seconds, end = took[id(event)], _seconds(event["time"])
            if "warm" in seconds:
                yield event.get("slot"), end - _seconds(seconds["warm"]), end
            else:
                begun = end - max(booting)
                yield event.get("slot"), begun, begun + _seconds(seconds.get("ready"))
        lost: dict[Any, float] = {}
        for event in named(self._events, "guest"):
            slot = event.get("slot")
            if event.get("state") == "lost":
                lost[slot] = _seconds(event["time"])
            elif event.get("state") == "up" and slot in lost:
                yield slot, lost.pop(slot), _seconds(event["time"])

    def _collections(self) -> Iterator[tuple[Any, float, float]]:
        """From the end of a boot to the guest's first test: its worker starts, and collects a file."""
        ends = sorted((end, slot) for slot, _, end in self._boots())
        for event in named(self._events, "test-start"):
            slot, time = event.get("slot"), _seconds(event["time"])
            done = [end for end, other in ends if other == slot and end <= time]
            if done:
                yield slot, done[-1], time
                ends = [(end, other) for end, other in ends if other != slot or end > time]

    def _add_tests(self) -> None:
        starts = {event.get("nodeid"): event for event in named(self._events, "test-start")}
        ends = {event.get("nodeid"): event for event in named(self._events, "test")}
        for nodeid in dict.fromkeys([*starts, *ends]):
            start, end = starts.get(nodeid), ends.get(nodeid)
            if start is None and end is not None:
                begun = _seconds(end["time"]) - _seconds(end.get("duration"))
            else:
                begun = _seconds((start or {}).get("time"))
            took = _seconds(end.get("duration")) if end else self._start + self._length - begun
            slot = (end or start or {}).get("slot")
            lane = self._lane(slot if slot is not None else (start or {}).get("slot"))
            lane.tests += end is not None
            lane.busy += took
            self._add(lane, str(nodeid), begun, begun + took, end)

    def _add(self, lane: Lane, nodeid: str, start: float, end: float, event: Event | None) -> None:
        test = self._tests.get((self._topology, without_round(nodeid)))
        outcome = (event or {}).get("outcome", Outcome.MISS)
        passed = outcome == Outcome.PASS
        status = str(outcome) if passed or test is None else self._levels.status(test)
        x, width = self._x(start), self._x(end) - self._x(start)
        if passed and width < NARROW:
            lane.small.append((x, round(max(width, 0.1), 2)))
            return
        anchor = self._anchors.get((self._topology, test.nodeid)) if test else None
        name = nodeid.removeprefix("selftests/")
        lane.bars.append(self._bar(status, start, end, f"{status} {name}, {duration(end - start)}", anchor))

    def _add_losses(self) -> None:
        for event in named(self._events, "guest"):
            if event.get("state") != "lost":
                continue
            nodeid = event.get("nodeid")
            name = f"guests::slot{event.get('slot')}-boot{event.get('boot')}"
            anchor = self._anchors.get((self._topology, without_round(str(nodeid or name))))
            during = f"in {nodeid}" if nodeid else "between two tests"
            title = f"guest lost ({event.get('kind')}) {during}: {event.get('reason')}"
            self._lane(event.get("slot")).losses.append(Loss(self._x(_seconds(event["time"])), title, anchor))

    def _marks(self) -> Iterable[tuple[float, str]]:
        step = next((step for step in STEPS if self._length / step <= MARKS), STEPS[-1])
        for number in range(int(self._length // step) + 1):
            seconds = number * step
            minutes, rest = divmod(seconds, 60)
            yield (
                round(seconds / self._length * WIDTH, 2),
                f"{minutes}:{rest:02}" if step < 60 else f"{minutes} min",
            )


def _time(event: Event) -> float | None:
    time = event.get("time")
    return float(time) if isinstance(time, int | float) and not isinstance(time, bool) else None


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0

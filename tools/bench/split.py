# SPDX-License-Identifier: GPL-2.0-only
"""Where the time of one topology of a run went: from its events, so for any run, of any machine.

All times are in seconds. A guest-second is a second of one guest: two guests that run for a minute have 120.
Between the plan and the last result each guest is either in a phase of a test (setup, call, teardown) or
between two tests, which is what the channel, the host and the kernel's log cost.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from tools.report.events import Event
from tools.report.outcomes import named

PHASES = ("setup", "call", "teardown")


@dataclass(frozen=True)
class Boot:
    """The first guest that came up, seconds since its QEMU was started."""

    kernel: float  # the kernel's first line; 0 for a guest that went on from a state that was kept
    init: float  # it runs init: a bare boot of that kernel ends here; 0 likewise
    ready: float  # it can be used
    all: float  # all guests can be used


@dataclass(frozen=True)
class File:
    """The tests of one file: guest-seconds of all their phases."""

    path: str
    tests: int
    seconds: float


@dataclass(frozen=True)
class Split:
    """One topology of a run."""

    topology: str
    guests: int
    tests: int
    boot: Boot | None
    collect: float  # guests ready to plan: each of them imports the suite and collects its tests
    first_verdict: float  # start of QEMU to the first result; 0 when there is none
    running: float  # plan to last result, by the clock
    phases: dict[str, float]  # guest-seconds
    between: float  # guest-seconds of guests that had a next test and were not in one
    median: float  # of a test, all phases
    p95: float
    work_ms: float  # a fixed small piece of work in these guests (helpers/pace.py); 0 when not known
    files: tuple[File, ...]  # the most expensive first

    @property
    def busy(self) -> float:
        """Guest-seconds in tests."""
        return sum(self.phases.values())

    @property
    def efficiency(self) -> float:
        """Part of the guests' time, from plan to last result, that was spent in tests: 0 to 1."""
        return self.busy / (self.running * self.guests) if self.running else 0.0

    @property
    def overhead(self) -> float:
        """Setup and teardown of the tests over the tests themselves."""
        return (self.busy - self.phases["call"]) / self.phases["call"] if self.phases["call"] else 0.0

    @property
    def median_over_work(self) -> float:
        """A test over the piece of work, so that a slow machine is none of the suite's; 0 when not known."""
        return self.median * 1000 / self.work_ms if self.work_ms else 0.0

    @property
    def first_over_bare(self) -> float:
        """Start to first verdict over start to init; 0 when either is not known."""
        return self.first_verdict / self.boot.init if self.boot and self.boot.init else 0.0


def splits(events: Sequence[Event]) -> list[Split]:
    """One for each topology that got as far as a plan, in the order of the run."""
    return [_split(str(plan["topology"]), plan, events) for plan in named(events, "plan")]


def _split(topology: str, plan: Event, events: Sequence[Event]) -> Split:
    mine = [event for event in events if event.get("topology") == topology]
    tests = [event for event in named(mine, "test") if event.get("phases")]
    start = next((event for event in named(mine, "session-start")), plan)
    booted = next((event for event in named(mine, "guest") if event.get("seconds")), None)
    boot = _boot(booted)
    costs = sorted(sum(test["phases"].values()) for test in tests) or [0.0]
    worked = [work for event in named(mine, "guest") if (work := (event.get("record") or {}).get("work_ms"))]
    first = 0.0
    if tests and booted is not None and boot is not None:
        first = tests[0]["time"] - booted["time"] + boot.all
    return Split(
        topology=topology,
        guests=int(start.get("slots") or 1),
        tests=len(tests),
        boot=boot,
        collect=plan["time"] - start["time"],
        first_verdict=first,
        running=tests[-1]["time"] - plan["time"] if tests else 0.0,
        phases={name: sum(test["phases"].get(name, 0.0) for test in tests) for name in PHASES},
        between=_between(mine),
        median=median(costs),
        p95=quantiles(costs, n=20)[-1] if len(costs) > 1 else costs[0],
        work_ms=median(worked) if worked else 0.0,
        files=_files(tests),
    )


def _boot(event: Event | None) -> Boot | None:
    seconds = event["seconds"] if event is not None else {}
    try:
        ready = seconds["warm"] if "warm" in seconds else seconds["ready"]
        return Boot(seconds.get("kernel", 0.0), seconds.get("init", 0.0), ready, seconds.get("up", ready))
    except KeyError:
        return None


def _between(events: Iterable[Event]) -> float:
    """From each result to the next start on the same guest."""
    ended: dict[int, float] = {}
    total = 0.0
    for event in events:
        if event["event"] == "guest":
            ended.pop(event.get("slot", -1), None)  # a fresh one, or none any more
        elif event["event"] == "test":
            ended[event["slot"]] = event["time"]
        elif event["event"] == "test-start" and event["slot"] in ended:
            total += max(event["time"] - ended.pop(event["slot"]), 0.0)
    return total


def _files(tests: Iterable[Event]) -> tuple[File, ...]:
    found: dict[str, list[float]] = defaultdict(list)
    for test in tests:
        found[str(test["nodeid"]).partition("::")[0]].append(sum(test["phases"].values()))
    files = [File(path, len(costs), sum(costs)) for path, costs in found.items()]
    return tuple(sorted(files, key=lambda file: -file.seconds))

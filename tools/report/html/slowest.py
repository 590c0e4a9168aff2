# SPDX-License-Identifier: GPL-2.0-only
"""The tests that take the longest, with what their setup and teardown have of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tools.report.events import Event
from tools.report.outcomes import named

__all__ = ["Slow", "slowest"]

NUMBER = 25
PHASES = ("setup", "call", "teardown")


@dataclass(frozen=True)
class Slow:
    """A test as it ran once. Seconds; `phases` in the order of PHASES, 0 where nothing is recorded."""

    topology: str
    nodeid: str
    requirements: tuple[str, ...]
    outcome: str
    seconds: float
    phases: tuple[float, ...]


def slowest(events: Iterable[Event], number: int = NUMBER) -> list[Slow]:
    """The slowest first."""
    tests = [_slow(event) for event in named(events, "test")]
    return sorted(tests, key=lambda test: -test.seconds)[:number]


def _slow(event: Event) -> Slow:
    phases = event.get("phases")
    known = phases if isinstance(phases, Mapping) else {}
    return Slow(
        str(event["topology"]),
        str(event["nodeid"]),
        tuple(event.get("requirements") or ()),
        str(event.get("outcome")),
        float(event.get("duration") or 0),
        tuple(float(known.get(phase) or 0) for phase in PHASES),
    )

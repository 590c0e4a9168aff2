# SPDX-License-Identifier: GPL-2.0-only
"""Workers of the scenes that race (chapter STR) over time: memory, CPU and children of each, as small plots.

They come as the property `workers` of a test, JSON (selftests/stress/watch.py): names, and samples of
[seconds, [bytes, percent of one CPU, children], ... by worker].
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from helpers.rounds import without_round
from tools.report.names import class_and_name
from tools.report.verdict import TestVerdict, Verdict

__all__ = ["HEIGHT", "WIDTH", "Plot", "Race", "Worker", "races_of"]

PROPERTY = "workers"
#: Units of a plot.
WIDTH, HEIGHT = 120.0, 24.0
MIB = 1 << 20


@dataclass(frozen=True)
class Plot:
    """A line over time: `points` as SVG wants them, the most in words."""

    points: str
    most: str


@dataclass(frozen=True)
class Worker:
    """A worker by the act that it played."""

    name: str
    rss: Plot
    cpu: Plot
    children: Plot


@dataclass(frozen=True)
class Race:
    """A scene: what it was, and how long it took."""

    topology: str
    test: str
    scene: str
    seconds: float
    workers: tuple[Worker, ...]


def races_of(verdict: Verdict) -> list[Race]:
    """In the order of the run; what cannot be read is left out."""
    found = []
    for test in verdict.tests:
        for name, value in test.properties:
            if name == PROPERTY:
                try:
                    found.append(_race(test, json.loads(value)))
                except (ValueError, TypeError, KeyError, IndexError, AttributeError):
                    continue
    return found


def _race(test: TestVerdict, data: Any) -> Race:
    rows = data["samples"]
    times = [float(row[0]) for row in rows]
    if not times:
        raise ValueError("no samples")
    workers = []
    for number, name in enumerate(data["workers"], start=1):
        rss, cpu, children = ([float(row[number][what]) for row in rows] for what in range(3))
        workers.append(
            Worker(
                str(name),
                _plot(times, rss, f"{max(rss) / MIB:.0f} MiB"),
                _plot(times, cpu, f"{max(cpu):.0f} %"),
                _plot(times, children, f"{max(children):.0f}"),
            )
        )
    name = class_and_name(without_round(test.nodeid))[1]
    return Race(test.topology, name, str(data["scene"]), times[-1], tuple(workers))


def _plot(times: Sequence[float], values: Sequence[float], most: str) -> Plot:
    """From zero to the most that the worker had; each worker has a scale of its own."""
    wide, high = max(times[-1], 1e-9), max(*values, 1e-9)
    pairs = zip(times, values, strict=True)
    return Plot(
        " ".join(
            f"{at / wide * WIDTH:.1f},{HEIGHT - max(value, 0.0) / high * HEIGHT:.1f}" for at, value in pairs
        ),
        most,
    )

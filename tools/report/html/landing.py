# SPDX-License-Identifier: GPL-2.0-only
"""Where pages landed: what tests note of it (helpers/observed.py), by policy, as bars by node."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from helpers.rounds import without_round
from tools.report.names import class_and_name
from tools.report.verdict import TestVerdict, Verdict

__all__ = ["Landing", "Observation", "Picture", "Segment", "Strip", "landings_of", "legend", "pictures_of"]

#: Units: a bar is this wide, and a page of the strip that shows pages in their order.
BAR = 360.0
PAGE = 6.0
#: Difference of two shares up to which variants of a test agree.
AGREE = 0.02
#: Shades that the style sheet has for each kind of node.
SHADES = 4


@dataclass(frozen=True)
class Segment:
    """The part of a bar that stands for a node; `css` is its class. x and width in units."""

    css: str
    x: float
    width: float
    name: str
    pages: int
    percent: float


@dataclass(frozen=True)
class Strip:
    """The first pages of a range in their order: (class, x, width, title) of each run on one node."""

    width: float
    runs: tuple[tuple[str, float, float, str], ...]


@dataclass(frozen=True)
class Observation:
    """What a test recorded once. `counts` in base pages by node; `runs` are (node, pages) in order, node None
    for pages that are not there."""

    policy: str
    nodes: tuple[int, ...]
    by: str
    counts: Mapping[int, int]
    absent: int
    runs: tuple[tuple[int | None, int], ...]
    private: frozenset[int]


@dataclass(frozen=True)
class Picture:
    """A line of the figure: a test (its variants taken together), or a single observation of a test."""

    label: str
    nodes: str
    by: str
    pages: int
    segments: tuple[Segment, ...]
    strip: Strip | None


@dataclass(frozen=True)
class Landing:
    """All of a policy on a topology."""

    topology: str
    policy: str
    pictures: tuple[Picture, ...]


def observations_of(test: TestVerdict) -> list[Observation]:
    """What the test recorded; what cannot be read is left out."""
    found = []
    for name, value in test.properties:
        if name == "residency":
            try:
                found.append(_parse(json.loads(value)))
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
    return found


def pictures_of(test: TestVerdict) -> list[Picture]:
    """The observations of a test, one by one."""
    return [_picture(seen.policy, [seen], _classes([seen])) for seen in observations_of(test)]


def landings_of(verdict: Verdict) -> list[Landing]:
    """By topology and policy, in the order of the run: a line for each test function and set of nodes. The
    variants of a test share a line as long as they agree."""
    found: dict[tuple[str, str], list[_Line]] = {}
    everything: dict[str, list[Observation]] = {}
    for test in verdict.tests:
        name = class_and_name(without_round(test.nodeid))[1]
        for seen in observations_of(test):
            lines = found.setdefault((test.topology, seen.policy), [])
            line = next((line for line in lines if line.takes(name, seen)), None)
            if line is None:
                lines.append(line := _Line(name.partition("[")[0]))
            line.variants[name] = None
            line.seen.append(seen)
            everything.setdefault(test.topology, []).append(seen)
    order = {name: number for number, name in enumerate(verdict.topologies)}
    landings = []
    for (topology, policy), lines in sorted(found.items(), key=lambda entry: order.get(entry[0][0], 0)):
        classes = _classes(everything[topology])
        pictures = tuple(_picture(line.label, line.seen, classes) for line in lines)
        landings.append(Landing(topology, policy, pictures))
    return landings


@dataclass
class _Line:
    """Observations that agree: of one test function, for the same nodes, with the same shares."""

    function: str
    variants: dict[str, None] = field(default_factory=dict)
    seen: list[Observation] = field(default_factory=list)

    def takes(self, name: str, other: Observation) -> bool:
        first = self.seen[0]
        if (self.function, first.nodes) != (name.partition("[")[0], other.nodes):
            return False
        one, two = _shares(first), _shares(other)
        return all(abs(one.get(node, 0) - two.get(node, 0)) <= AGREE for node in {*one, *two})

    @property
    def label(self) -> str:
        number = len(self.variants)
        return next(iter(self.variants)) if number == 1 else f"{self.function}, {number} variants"


def _shares(seen: Observation) -> dict[int, float]:
    """Parts of the whole by node."""
    total = sum(seen.counts.values()) + seen.absent
    return {node: pages / total for node, pages in seen.counts.items() if pages}


def legend(landings: Iterable[Landing]) -> list[tuple[str, str]]:
    """(class, name) of every node that the pictures show."""
    found = {
        segment.css: segment.name
        for landing in landings
        for picture in landing.pictures
        for segment in picture.segments
    }
    return sorted(found.items(), key=lambda entry: entry[1])


def _parse(data: Any) -> Observation:
    return Observation(
        str(data["policy"]),
        tuple(int(node) for node in data.get("nodes") or ()),
        str(data.get("by") or ""),
        {int(node): int(pages) for node, pages in data["counts"].items()},
        int(data.get("absent") or 0),
        tuple((None if node is None else int(node), int(pages)) for node, pages in data.get("runs") or ()),
        frozenset(int(node) for node in data.get("private") or ()),
    )


def _classes(seen: Sequence[Observation]) -> dict[int, tuple[str, str]]:
    """(class, name) of each node: ordinary and private ones have colours of their own."""
    private = {node for one in seen for node in one.private}
    nodes = {node for one in seen for node in (*one.counts, *one.nodes)}
    classes = {}
    for kind, name, members in (
        ("ordinary", "node {}", sorted(nodes - private)),
        ("private", "private node {}", sorted(nodes & private)),
    ):
        for rank, node in enumerate(members):
            classes[node] = f"{kind}{rank % SHADES}", name.format(node)
    return classes


def _picture(label: str, seen: Sequence[Observation], classes: Mapping[int, tuple[str, str]]) -> Picture:
    counts: Counter[int] = Counter()
    for one in seen:
        counts.update(one.counts)
    absent = sum(one.absent for one in seen)
    nodes = "{" + ", ".join(map(str, seen[0].nodes)) + "}" if seen[0].nodes else ""
    strips = (_strip(one.runs, classes) for one in seen if len(one.runs) > 1)
    strip = next((strip for strip in strips if len(strip.runs) > 1), None)
    return Picture(
        label,
        nodes,
        ", ".join(dict.fromkeys(one.by for one in seen if one.by)),
        counts.total() + absent,
        tuple(_segments(counts, absent, classes)),
        strip,
    )


def _segments(
    counts: Mapping[int, int], absent: int, classes: Mapping[int, tuple[str, str]]
) -> Iterator[Segment]:
    parts = [(*classes[node], pages) for node, pages in sorted(counts.items()) if pages]
    if absent:
        parts.append(("absent", "not there", absent))
    total = sum(pages for _, _, pages in parts)
    x = 0.0
    for css, name, pages in parts:
        width = pages / total * BAR
        yield Segment(css, round(x, 1), round(width, 1), name, pages, round(pages / total * 100, 1))
        x += width


def _strip(runs: Sequence[tuple[int | None, int]], classes: Mapping[int, tuple[str, str]]) -> Strip:
    """A cell is a page, or as many as go together everywhere: those of a huge page."""
    together = math.gcd(*(pages for _, pages in runs)) or 1
    room = BAR / PAGE
    x = 0.0
    drawn = []
    for node, pages in runs:
        if room < 1:
            break
        shown = min(pages // together, room)
        css, name = ("absent", "not there") if node is None else classes.get(node, ("absent", f"node {node}"))
        drawn.append((css, x, shown * PAGE, f"{name}: {pages}"))
        x += shown * PAGE
        room -= shown
    return Strip(x, tuple(drawn))

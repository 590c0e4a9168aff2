# SPDX-License-Identifier: GPL-2.0-only
"""Slower or faster beyond noise: pairs of durations, the machine's speed factored out.

For each topology: r = log(seconds in B / seconds in A) of every test that passed in both, medians where a
run repeated its tests. The median of all r is the difference in speed of the two machines (or of all of the
kernel, which this cannot tell apart) and is taken out. What is left spreads by chance: its scale is the
median absolute deviation, taken among tests of about the same length, since short ones spread more; those
shorter than FLOOR have no say. A test is slower or faster when it lies further out than SIGMAS of that
scale, or of its own between rounds if that is larger, and by MIN_FACTOR, and by MIN_SECONDS.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tools.compare.side import Key

FLOOR = 0.05  # seconds; what is shorter counts as this long
SIGMAS = 6.0
MIN_FACTOR = 1.5
MIN_SECONDS = 0.25
MIN_PAIRS = 20  # tests of a topology without which no scale is to be had
MIN_GROUP = 100  # tests of a length whose scale counts even where it is the smaller one
LENGTHS = (0.2, 0.5, 1.0, 3.0)  # seconds between the groups of tests of about the same length
_NORMAL = 1.4826  # from the median absolute deviation to a standard deviation


@dataclass(frozen=True)
class Speed:
    """A topology as a whole: B took `factor` times as long as A, over so many tests."""

    topology: str
    factor: float
    pairs: int
    comparable: bool  # enough tests for a scale


@dataclass(frozen=True)
class TimeChange:
    """A test that is slower (factor above 1) or faster, the topology's factor taken out."""

    topology: str
    nodeid: str
    a: float  # seconds, the median of the rounds
    b: float
    factor: float
    rounds: tuple[int, int]

    @property
    def slower(self) -> bool:
        return self.factor > 1


@dataclass(frozen=True)
class _Pair:
    key: Key
    a: Sequence[float]
    b: Sequence[float]

    @property
    def ratio(self) -> float:
        return _log(median(self.b)) - _log(median(self.a))

    @property
    def telling(self) -> bool:
        """Whether it is long enough to tell the speed."""
        return min(median(self.a), median(self.b)) >= FLOOR

    @property
    def length(self) -> int:
        """The group of tests of about the same length."""
        return bisect_right(LENGTHS, math.sqrt(max(median(self.a), FLOOR) * max(median(self.b), FLOOR)))

    @property
    def own_scale(self) -> float:
        """How far a median of this test's rounds is off by chance; 0 with less than three rounds."""
        return math.hypot(
            *(_scale([_log(x) for x in side]) / math.sqrt(len(side)) for side in (self.a, self.b))
        )


def compare(
    a: Mapping[Key, Sequence[float]], b: Mapping[Key, Sequence[float]]
) -> tuple[list[Speed], list[TimeChange]]:
    """Return the topologies' speeds, and the tests that changed, the slowest first.

    `a` and `b` are seconds of each round by test.
    """
    by_topology: dict[str, list[_Pair]] = {}
    for key in a:
        if key in b:
            by_topology.setdefault(key[0], []).append(_Pair(key, a[key], b[key]))
    speeds, changes = [], []
    for topology, pairs in by_topology.items():
        telling = [pair for pair in pairs if pair.telling]
        common = median(pair.ratio for pair in telling or pairs)
        enough = len(telling) >= MIN_PAIRS
        speeds.append(Speed(topology, round(math.exp(common), 3), len(telling), enough))
        if enough:
            changes += _changed(pairs, telling, common)
    return speeds, sorted(changes, key=lambda change: -change.factor)


def _changed(pairs: Sequence[_Pair], telling: Sequence[_Pair], common: float) -> list[TimeChange]:
    everywhere = _scale([pair.ratio - common for pair in telling])
    groups: dict[int, list[float]] = {}
    for pair in telling:
        groups.setdefault(pair.length, []).append(pair.ratio - common)
    scales = {
        length: _scale(group) if len(group) >= MIN_GROUP else max(_scale(group), everywhere)
        for length, group in groups.items()
    }
    found = []
    for pair in pairs:
        off = pair.ratio - common
        before, after = median(pair.a), median(pair.b)
        noise = max(scales.get(pair.length, everywhere), pair.own_scale)
        seconds = abs(after - before * math.exp(common))
        if abs(off) > max(SIGMAS * noise, math.log(MIN_FACTOR)) and seconds >= MIN_SECONDS:
            rounds = (len(pair.a), len(pair.b))
            found.append(
                TimeChange(*pair.key, round(before, 3), round(after, 3), round(math.exp(off), 2), rounds)
            )
    return found


def _log(seconds: float) -> float:
    return math.log(max(seconds, FLOOR))


def _scale(values: Sequence[float]) -> float:
    """The spread of values, as a standard deviation that outliers do not move; 0 for fewer than three."""
    if len(values) < 3:
        return 0.0
    middle = median(values)
    return _NORMAL * median(abs(value - middle) for value in values)

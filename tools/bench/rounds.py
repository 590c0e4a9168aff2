# SPDX-License-Identifier: GPL-2.0-only
"""From rounds to a number: its median, and how far chance can have moved it.

Variants are measured in turn (inside/clock.py), so whatever else the host did hits each alike. A ratio is
therefore taken within each round, and only then the median of all rounds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression, median

#: How sure an interval is to hold the true median, where there are rounds enough for that (six).
SURE = 0.95


@dataclass(frozen=True)
class Value:
    """A median of rounds. With 95 % the true one is between `low` and `high`, whatever the distribution;
    with fewer than six rounds they are the least and the most that was seen."""

    median: float
    low: float
    high: float
    rounds: int

    def differs_from(self, other: float) -> bool:
        """Whether this is more than noise."""
        return not self.low <= other <= self.high


def value(seen: Sequence[float]) -> Value:
    """The median of rounds, by order statistics. Raises ValueError when there are none."""
    if not seen:
        raise ValueError("no round, nothing was measured")
    ordered = sorted(seen)
    rank = _rank(len(ordered))
    return Value(median(ordered), ordered[rank], ordered[-1 - rank], len(ordered))


def _rank(count: int) -> int:
    """How many rounds at each end are outside of the interval: as many as leave it sure enough."""
    outside = 0.0
    for rank in range(count // 2 + 1):
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - SURE:
            return max(rank - 1, 0)
    return 0


def ratio(seen: Sequence[float], base: Sequence[float]) -> Value:
    """How many times as much as `base`, round by round."""
    return value([one / other for one, other in zip(seen, base, strict=True)])


def slope(few: Sequence[float], many: Sequence[float], more: float) -> list[float]:
    """What each of `more` further pages costs, round by round."""
    return [(large - small) / more for small, large in zip(few, many, strict=True)]


def exponent(by_size: Mapping[float, Sequence[float]]) -> Value:
    """The power of the size that the cost grows with: 1 is linear, 0 a fixed cost. The slope of a straight
    line through the logarithms, round by round."""
    sizes = [math.log(size) for size in by_size]
    turns = zip(*by_size.values(), strict=True)
    return value([linear_regression(sizes, [math.log(cost) for cost in turn]).slope for turn in turns])


def kept(found: Value, at_most: float) -> bool | None:
    """Whether a target is kept; None when the noise leaves both open."""
    if found.high <= at_most:
        return True
    return False if found.low > at_most else None

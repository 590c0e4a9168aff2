# SPDX-License-Identifier: GPL-2.0-only
"""Medians, intervals and exponents, from numbers whose answers are known."""

import pytest

from tools.bench import rounds


def test_the_interval_leaves_out_what_chance_allows() -> None:
    seen = rounds.value([5.0, 1.0, 2.0, 3.0, 4.0, 9.0, 6.0, 7.0, 8.0])
    assert (seen.median, seen.low, seen.high, seen.rounds) == (5.0, 2.0, 8.0, 9)


@pytest.mark.parametrize("count", range(1, 9))
def test_few_rounds_leave_out_nothing(count: int) -> None:
    seen = rounds.value([float(number) for number in range(count)])
    assert (seen.low, seen.high) == (0.0, count - 1.0)


@pytest.mark.parametrize("count", range(6, 40))
def test_the_interval_is_as_sure_as_it_says(count: int) -> None:
    """Half of all orders of above and below: count those in which the interval misses the median."""
    seen = rounds.value([float(number) for number in range(count)])
    outside = int(seen.low)
    by_heads = [1]
    for heads in range(outside):
        by_heads.append(by_heads[-1] * (count - heads) // (heads + 1))
    assert 2 * sum(by_heads) / 2**count <= 1 - rounds.SURE
    further = by_heads[-1] * (count - outside) // (outside + 1)
    assert 2 * (sum(by_heads) + further) / 2**count > 1 - rounds.SURE


def test_nothing_measured_is_no_number() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        rounds.value([])


def test_a_ratio_is_taken_within_each_round() -> None:
    """A host that was twice as slow in one round changes none of it."""
    seen = rounds.ratio([3.0, 6.0, 3.0], [1.0, 2.0, 1.0])
    assert (seen.low, seen.median, seen.high) == (3.0, 3.0, 3.0)


def test_slope_is_of_one_further_page() -> None:
    assert rounds.slope([1.0, 2.0], [11.0, 22.0], 10) == [1.0, 2.0]


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_exponent(power: float) -> None:
    found = rounds.exponent({size: [3 * size**power, 7 * size**power] for size in (1.0, 2.0, 4.0, 8.0)})
    assert found.median == pytest.approx(power)
    assert found.rounds == 2


@pytest.mark.parametrize(
    ("seen", "kept"), [([1.0, 1.1], True), ([1.4, 1.5], False), ([1.2, 1.4], None), ([1.3], True)]
)
def test_a_target_is_open_where_noise_leaves_it_so(seen: list[float], kept: bool | None) -> None:
    assert rounds.kept(rounds.value(seen), 1.3) is kept

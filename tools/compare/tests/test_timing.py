# SPDX-License-Identifier: GPL-2.0-only
"""Slower and faster, against noise like that of two real runs of the same kernel."""

import random
from collections.abc import Mapping

from tools.compare.side import Key
from tools.compare.timing import MIN_PAIRS, compare

Seconds = Mapping[Key, list[float]]


def run(
    seed: int, tests: int = 400, rounds: int = 1, noise: float = 0.15, speed: float = 1.0
) -> dict[Key, list[float]]:
    """Durations as real ones: log-normal around 0.2 s, each with noise of its own."""
    lengths = random.Random(0)
    chance = random.Random(seed)
    return {
        ("fast", f"t{number}"): [length * speed * chance.lognormvariate(0, noise) for _ in range(rounds)]
        for number in range(tests)
        for length in [lengths.lognormvariate(-1.6, 1.2)]
    }


def test_noise_alone_shows_nothing() -> None:
    for seed in range(1, 11):
        speeds, changes = compare(run(0), run(seed))
        assert changes == []
        assert 0.93 < speeds[0].factor < 1.07


def test_a_slower_machine_is_factored_out() -> None:
    for rounds in (1, 5):
        speeds, changes = compare(run(1, rounds=rounds), run(2, rounds=rounds, speed=2.6))
        assert 2.5 < speeds[0].factor < 2.7
        assert changes == []


def test_what_is_slower_and_faster_is_found() -> None:
    a, b = run(1, speed=1.0), run(2, speed=1.7)
    key, other = ("fast", "slow"), ("fast", "fast")
    a[key], b[key] = [1.0], [1.7 * 8]
    a[other], b[other] = [8.0], [1.7]
    _, changes = compare(a, b)
    assert [(change.nodeid, change.slower) for change in changes] == [("slow", True), ("fast", False)]
    assert 7 < changes[0].factor < 9
    assert (changes[0].a, changes[0].b) == (1.0, 13.6)


def test_topologies_have_speeds_of_their_own() -> None:
    a, b = run(1), run(2)
    a |= {("cxl", name): seconds for (_, name), seconds in run(3).items()}
    b |= {("cxl", name): seconds for (_, name), seconds in run(4, speed=5.0).items()}
    speeds, changes = compare(a, b)
    assert [round(speed.factor) for speed in speeds] == [1, 5]
    assert changes == []


def test_milliseconds_do_not_matter() -> None:
    a, b = run(1), run(2)
    a["fast", "short"], b["fast", "short"] = [0.001], [0.2]
    assert compare(a, b)[1] == []


def test_rounds_show_what_one_round_cannot() -> None:
    a, b = run(1, rounds=15), run(2, rounds=15)
    # Nearly twice as long: within six sigmas of single rounds, far beyond those of medians.
    b["fast", "t7"] = [seconds * 1.9 for seconds in b["fast", "t7"]]
    a["fast", "t7"], b["fast", "t7"] = [[5 * s for s in side["fast", "t7"]] for side in (a, b)]
    _, changes = compare(a, b)
    assert [change.nodeid for change in changes] == ["t7"]
    assert changes[0].rounds == (15, 15)
    once = [{key: seconds[:1] for key, seconds in side.items()} for side in (a, b)]
    assert compare(*once)[1] == []


def test_a_test_that_is_noisy_by_itself_is_no_finding() -> None:
    a, b = run(1, rounds=5), run(2, rounds=5)
    a["fast", "wild"], b["fast", "wild"] = [1.0, 0.2, 3.0, 0.4, 1.1], [2.5, 0.5, 4.0, 1.0, 6.0]
    assert compare(a, b)[1] == []


def test_too_few_tests_show_nothing() -> None:
    a = run(1, tests=MIN_PAIRS - 5)
    b = run(1, tests=MIN_PAIRS - 5) | {("fast", "slow"): [60.0]}
    a["fast", "slow"] = [0.5]
    speeds, changes = compare(a, b)
    assert not speeds[0].comparable
    assert changes == []


def test_nothing_passed_in_both() -> None:
    assert compare({("fast", "a"): [1.0]}, {("cxl", "a"): [1.0]}) == ([], [])

# SPDX-License-Identifier: GPL-2.0-only
"""Rows about the runner, from runs whose numbers are known."""

from dataclasses import replace

import pytest

from tools.bench import peers, timing
from tools.bench.row import Row
from tools.bench.runner import Ran
from tools.bench.split import Boot, Split

TARGETS = {"rerun_to_qemu": 1.0, "first_over_bare": 1.0, "warm_over_cold": 0.5, "efficiency_loss": 0.15}
SPLIT = Split(
    topology="fast",
    guests=1,
    tests=80,
    boot=Boot(1.0, 3.0, 6.0, 6.0),
    collect=2.0,
    first_verdict=10.0,
    running=40.0,
    phases={"setup": 10.0, "call": 20.0, "teardown": 6.0},
    between=2.0,
    median=0.4,
    p95=1.0,
    work_ms=5.0,
    files=(),
)
LEAST = Ran(2.0, 20.0, 3.0, 1, 0, replace(SPLIT, tests=1))


def numbers(rows: list[Row]) -> dict[str, float]:
    return {row.name: row.value.median for row in rows if row.value}


def test_start() -> None:
    whole = Ran(4.0, 60.0, 3.0, 2001, 0, replace(SPLIT, first_verdict=30.0))
    turns = [timing.Start(2.0, 6.0, LEAST), timing.Start(2.0, 6.0, replace(LEAST, to_qemu=0.5))]
    rows = list(timing.start(turns, whole, TARGETS))
    seen = numbers(rows)
    assert seen["rerun to QEMU"] == 0.5, "the first run may have had something to build"
    assert seen["cold start over bare boot"] == 3.0
    assert seen["first verdict, 1 test, over bound"] == 10.0 / (1.5 * 2.0 + 2.0)
    assert seen["first verdict, 2001 tests, over bare boot"] == 15.0
    assert {row.name: row.kept for row in rows if row.target}["rerun to QEMU"] is True
    assert "warm start" not in seen, "all of them have booted"


def test_a_state_that_was_kept_is_compared_with_a_boot() -> None:
    warm = replace(LEAST, split=replace(SPLIT, boot=Boot(0.0, 0.0, 0.1, 0.6)))
    seen = numbers(list(timing.start([timing.Start(2.0, 6.0, one) for one in (LEAST, warm)], warm, TARGETS)))
    assert seen["warm start"] == 0.6
    assert seen["warm over cold start"] == pytest.approx(0.1)


def test_each_more_test() -> None:
    whole = Ran(4.0, 60.0, 3.0, 2001, 0, replace(SPLIT, collect=22.0))
    seen = numbers(list(timing.tests([LEAST, LEAST], whole)))
    assert seen["to QEMU, each more"] == pytest.approx(0.001)
    assert seen["collect, each more"] == pytest.approx(0.01)


def test_two_guests_are_compared_with_one() -> None:
    one = Ran(1.0, 60.0, 3.0, 80, 0, SPLIT)
    two = Ran(1.0, 40.0, 3.0, 80, 0, replace(SPLIT, guests=2, running=25.0))
    rows = list(timing.guests([one, two], TARGETS))
    seen = numbers(rows)
    assert seen["2 guests, speed-up"] == 1.6
    assert seen["2 guests, lost"] == pytest.approx(0.2)
    assert seen["2 guests, in tests"] == pytest.approx(36.0 / 50.0)
    assert [row.kept for row in rows if row.target] == [False]


def test_the_parts_of_a_run_are_all_of_it() -> None:
    seen = numbers(list(timing.guests([Ran(1.0, 60.0, 3.0, 80, 0, SPLIT)], TARGETS)))
    parts = {name.partition(": ")[2]: part for name, part in seen.items() if ": " in name}
    assert sum(parts.values()) == pytest.approx(1.0)
    assert parts["call"] == pytest.approx(20.0 / 60.0)
    assert parts["end and reports"] == pytest.approx(3.0 / 60.0)
    assert parts["other"] == pytest.approx((60 - 1 - 6 - 2 - 36 - 2 - 3) / 60.0)


def test_a_result_of_others_beside_a_test_of_ours() -> None:
    found = {"name": "madv", "passed": 8, "failed": 1, "skipped": 1, "status": 1, "seconds": [0.9, 0.9]}
    seen = numbers(list(peers.rows([found], Ran(1.0, 60.0, 3.0, 80, 0, SPLIT))))
    assert seen == {"madv, a result": pytest.approx(0.1), "a test of ours over madv": pytest.approx(4.5)}


def test_a_program_without_results_is_no_number() -> None:
    found = {"name": "madv", "passed": 0, "failed": 0, "skipped": 1, "status": 4, "seconds": [0.9]}
    (row,) = peers.rows([found], None)
    assert row.value is None
    assert "status 4" in row.note

# SPDX-License-Identifier: GPL-2.0-only
"""Lines and documents of what was measured."""

import json

import pytest

from tools.bench import row
from tools.bench.digest import calls, growth, residency
from tools.bench.rounds import value
from tools.bench.row import POWER, SECONDS, TIMES, Row

TARGETS = {"call_over_c": 1.3, "page_over_c": 1.0}


@pytest.mark.parametrize(
    ("number", "text"),
    [(12.345, "12.3 s"), (0.0123, "12.3 ms"), (4.5e-6, "4.5 us"), (2e-9, "2 ns"), (0, "0 ns")],
)
def test_seconds(number: float, text: str) -> None:
    assert row.seconds(number) == text


def test_a_line_tells_the_span_and_the_target() -> None:
    found = Row("calls", "mbind", value([2.0, 3.0, 4.0]), TIMES, "so", 1.3)
    (_, line) = row.render([found], {"calls": "what it is"})
    assert " ".join(line.split()) == "mbind 3.00 x (2.00 x to 4.00 x) target 1.30 x: NOT KEPT; so"


def test_what_was_not_measured_has_no_number() -> None:
    found = Row("residency", "1024 MiB", None, SECONDS, "not measured: too little memory", 1.0)
    assert found.kept is None
    assert list(row.render([found], {}))[1] == "  1024 MiB not measured: too little memory"
    assert "median" not in json.loads(json.dumps(found.document()))


def test_a_document_has_the_numbers() -> None:
    found = Row("calls", "mbind", value([1.0, 1.1, 1.2]), TIMES, target=1.3).document()
    assert (found["median"], found["low"], found["high"], found["rounds"]) == (1.1, 1.0, 1.2, 3)
    assert (found["target"], found["kept"]) == (1.3, True)


def test_a_difference_that_is_noise_keeps_a_target_of_none() -> None:
    noise = Row("pages", "move", value([0.9, 1.0, 1.2]), TIMES, target=1.0, measurable=True)
    real = Row("pages", "query", value([1.1, 1.2, 1.3]), TIMES, target=1.0, measurable=True)
    blurred = Row("pages", "query", value([0.2, 1.0, 8.0]), TIMES, target=1.0, measurable=True)
    assert (noise.kept, real.kept, blurred.kept) == (True, False, None)


def operation(name: str, pages: int, c: float, call: float) -> dict[str, object]:
    return {"name": name, "pages": pages, "seconds": {"c": [c, c], "raw": [c, c], "call": [call, call]}}


def test_calls_and_further_pages() -> None:
    found = list(calls([operation("query", 1, 1.0, 2.0), operation("query", 11, 11.0, 32.0)], TARGETS))
    seen = {(one.part, one.name): one.value.median for one in found if one.value}
    assert seen["calls", "query 1 page, as tests call it"] == 2.0
    assert seen["calls", "query 11 pages, prepared arrays"] == 1.0
    assert seen["pages", "query, as tests call it"] == 3.0  # 30 s over 10 s for ten pages


def test_what_costs_nothing_a_page_has_no_ratio() -> None:
    found = list(calls([operation("mbind", 1, 1.0, 2.0), operation("mbind", 16, 1.0, 2.0)], TARGETS))
    assert {one.part for one in found} == {"calls"}


def test_residency_is_told_by_pagemap() -> None:
    seconds = {"pagemap": [2.0], "move_pages": [1.0]}
    found = list(residency([{"bytes": 1 << 20, "nodes": {"0": 256}, "seconds": seconds}]))
    assert [one.value.median for one in found if one.value] == [2.0, 0.5]


def test_residency_that_does_not_fit_is_told() -> None:
    (found,) = residency([{"bytes": 1 << 30, "free": 200 << 20}])
    assert found.value is None
    assert "200 MiB" in found.note


def test_growth_leaves_out_none_at_all() -> None:
    """A check with no node has a cost, and no logarithm."""
    (found,) = growth("nodes", {"check": {"0": [0.1], "1": [1.0], "2": [2.0]}})
    assert found.unit == POWER
    assert found.value
    assert found.value.median == pytest.approx(1.0)

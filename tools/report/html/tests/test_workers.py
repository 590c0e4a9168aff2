# SPDX-License-Identifier: GPL-2.0-only
"""The plots of workers that raced."""

import json

import pytest

from tools.report.html import page, workers
from tools.report.tests.catalogue import CATALOGUE
from tools.report.verdict import judge

SAMPLES = {
    "scene": "seed=1 seconds=5 flags=0x3 acts=faults,unplug",
    "cpus": 2,
    "workers": ["faults", "unplug"],
    "samples": [
        [0.0, [64 << 20, 0, 1], [32 << 20, 0, 0]],
        [2.0, [128 << 20, 150.0, 3], [32 << 20, 50.0, 0]],
        [4.0, [96 << 20, 75.0, 1], [32 << 20, 0, 0]],
    ],
}


def events(value):
    name = "selftests/stress/test_races.py::test_fork_storms"
    return [
        {"event": "plan", "time": 0.0, "topology": "fast", "tests": [name]},
        {
            "event": "test",
            "topology": "fast",
            "nodeid": name,
            "outcome": "PASS",
            "properties": [["workers", value]],
        },
    ]


def races(value):
    return workers.races_of(judge(events(value), CATALOGUE.values()))


def test_a_line_a_worker_from_zero_to_its_most():
    (race,) = races(json.dumps(SAMPLES))
    assert (race.topology, race.test, race.seconds) == ("fast", "test_fork_storms", 4.0)
    faults, unplug = race.workers
    assert (faults.rss.most, faults.cpu.most, faults.children.most) == ("128 MiB", "150 %", "3")
    assert faults.cpu.points == "0.0,24.0 60.0,0.0 120.0,12.0"
    assert unplug.rss.points == "0.0,0.0 60.0,0.0 120.0,0.0"
    assert unplug.children.points == "0.0,24.0 60.0,24.0 120.0,24.0"


def test_a_single_sample_is_a_point():
    (race,) = races(json.dumps(SAMPLES | {"samples": SAMPLES["samples"][:1]}))
    assert race.workers[0].rss.points == "0.0,0.0"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        json.dumps(SAMPLES | {"samples": []}),
        json.dumps(SAMPLES | {"samples": [[0.0, [1, 2, 3]]]}),
        json.dumps(SAMPLES | {"samples": [["x", [1, 2, 3], [1, 2, 3]]]}),
    ],
)
def test_what_is_no_record_of_workers_is_left_out(value):
    assert races(value) == []


def test_the_page_draws_them():
    told = events(json.dumps(SAMPLES))
    text = page.render(judge(told, CATALOGUE.values()), told)
    assert text.count("<polyline points=") == 6
    assert 'href="#workers"' in text
    assert "seed=1 seconds=5 flags=0x3 acts=faults,unplug" in text


def test_a_run_without_races_has_no_such_part():
    told = events("null")
    assert "Workers that raced" not in page.render(judge(told, CATALOGUE.values()), told)

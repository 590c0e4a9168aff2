# SPDX-License-Identifier: GPL-2.0-only
"""Where the time went, from made-up events whose sums are known."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools.bench import limits, split, text
from tools.cli import main as cli
from tools.errors import UserError


def event(name: str, time: float, **fields: Any) -> dict[str, Any]:
    return {"event": name, "time": time, "topology": "fast", **fields}


def result(slot: int, start: float, nodeid: str, setup: float, call: float, teardown: float) -> list[Any]:
    phases = {"setup": setup, "call": call, "teardown": teardown}
    end = start + sum(phases.values())
    return [
        event("test-start", start, slot=slot, nodeid=nodeid),
        event("test", end, slot=slot, nodeid=nodeid, outcome="PASS", phases=phases),
    ]


EVENTS = [
    event("guest", 110.0, slot=0, state="ready", seconds={"kernel": 1.0, "init": 4.0, "ready": 9.0}),
    event("guest", 110.0, slot=1, state="ready", record={"work_ms": 250.0}),
    event("session-start", 110.5, slots=2),
    event("plan", 120.5, tests=[]),
    *result(0, 121.0, "selftests/a/test_x.py::test_one", 1.0, 4.0, 1.0),
    *result(1, 121.0, "selftests/a/test_y.py::test_two[b]", 0.5, 2.0, 0.5),
    *result(1, 124.5, "selftests/a/test_y.py::test_two[c]", 0.5, 2.0, 0.5),
    *result(0, 127.25, "selftests/a/test_x.py::test_three", 0.25, 0.5, 0.25),
]


def one(events: list[Any] = EVENTS) -> split.Split:
    (found,) = split.splits(events)
    return found


def test_the_clock() -> None:
    found = one()
    assert (found.collect, found.running) == (10.0, 7.75)
    assert found.first_verdict == 127.0 - 110.0 + 9.0
    assert found.first_over_bare == 26.0 / 4.0


def test_guest_seconds() -> None:
    found = one()
    assert found.phases == {"setup": 2.25, "call": 8.5, "teardown": 2.25}
    assert found.between == 0.5 + 0.25
    assert found.efficiency == 13.0 / (7.75 * 2)
    assert found.overhead == 4.5 / 8.5
    assert (found.work_ms, found.median_over_work) == (250.0, 3000.0 / 250.0)


def test_work_that_nobody_measured() -> None:
    found = one([event for event in EVENTS if "record" not in event])
    assert (found.work_ms, found.median_over_work) == (0.0, 0.0)


def test_the_most_expensive_file_first() -> None:
    assert [(file.path, file.tests, file.seconds) for file in one().files] == [
        ("selftests/a/test_x.py", 2, 7.0),
        ("selftests/a/test_y.py", 2, 6.0),
    ]


def test_a_fresh_guest_is_not_time_between_tests() -> None:
    fresh = event("guest", 124.2, slot=1, state="ready", seconds={"kernel": 1.0, "init": 4.0, "ready": 9.0})
    assert one([*EVENTS[:8], fresh, *EVENTS[8:]]).between == 0.25


def test_what_has_no_phases_is_no_time() -> None:
    lost = event("test", 130.0, slot=0, nodeid="selftests/a/test_z.py::test_lost", phases=None)
    assert one([*EVENTS, lost]) == one()


def test_topologies_without_a_plan_are_left_out() -> None:
    assert split.splits(EVENTS[:3]) == []


def test_text_and_json_say_the_same() -> None:
    (document,) = text.document([one()])["topologies"]
    assert document["ratios"] == {
        "first_over_bare": 6.5,
        "efficiency": 0.839,
        "overhead": 0.529,
        "median_over_work": 12.0,
    }
    shown = text.render([one()])
    assert "fast: 4 tests, 2 guests, 0:07 min" in shown
    assert "6.5 x the bare boot" in shown
    assert "guests in tests: 84% of their time" in shown
    assert "the median: 12.0 x a piece of work of 250.0 ms there" in shown


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MIN_TESTS", 1)
    bounds = {"fast": {"overhead": 0.5, "efficiency": 0.5, "first_over_bare": 20.0}, "cxl": {"overhead": 0.0}}
    assert list(limits.judged([one()], bounds)) == [
        ("fast: overhead 0.53, at most 0.5: NOT KEPT", False),
        ("fast: efficiency 0.84, at least 0.5", True),
        ("fast: first_over_bare 6.50, at most 20", True),
    ]


def test_a_few_tests_have_no_limit() -> None:
    assert list(limits.judged([one()], {"fast": {"overhead": 0.0}})) == []


def test_the_data_is_read_and_names_what_is_measured(tmp_path: Path) -> None:
    assert set(limits.load()["fast"]) == set(limits.RATIOS)
    wrong = tmp_path / "limits.toml"
    wrong.write_text("[fast]\nspeed = 1.0\n")
    with pytest.raises(UserError, match=r"\[fast\] speed: not measured"):
        limits.load(wrong)


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(one) + "\n" for one in EVENTS))
    assert cli.main(["bench", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["topologies"][0]["tests"] == 4


def test_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", str(tmp_path)]) == 2
    assert "no results.jsonl in it" in capsys.readouterr().err


def test_nothing_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results.jsonl").write_text(json.dumps(EVENTS[1]) + "\n")
    assert cli.main(["bench", str(tmp_path)]) == 2
    assert "there is nothing to measure" in capsys.readouterr().err

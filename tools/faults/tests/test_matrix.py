# SPDX-License-Identifier: GPL-2.0-only
"""What became of a fault, from the events of its session."""

import json
from pathlib import Path
from typing import Any

from tools.faults import matrix, show
from tools.faults.matrix import Fate
from tools.kernel.faults import Fault

FAULT = Fault("gate-bulk", "hook", "breaks", ("ISO-02", "ISO-09"))


def ran(test: str, part: str, outcome: str) -> dict[str, Any]:
    return {"test": test, "part": part, "outcome": outcome, "message": f"{test} says so", "seconds": 1.0}


def event(*tests: dict[str, Any], **more: Any) -> dict[str, Any]:
    record = {"fault": "gate-bulk", "ran": tests, "without": [], "late": False, "unclean": []}
    given = {"event": "test", "nodeid": "faults::gate-bulk", "outcome": "PASS", "duration": 2.0}
    return given | {"properties": [["fault", json.dumps(record)]]} | more


def row(*events: dict[str, Any], run_dir: Path = Path("/nowhere")) -> matrix.Row:
    return matrix.build([FAULT], events, run_dir).rows[0]


def test_caught() -> None:
    got = row(
        event(
            ran("a", "ISO-02", "passed"),
            ran("b", "ISO-02", "failed"),
            ran("c", "control", "passed"),
            ran("b", "again", "passed"),
        )
    )
    assert (got.fate, got.good, got.tests, got.control) == (Fate.CAUGHT, True, 2, 1)
    assert [(red.test, red.part) for red in got.caught_by] == [("b", "ISO-02")]


def test_a_requirement_that_stays_green_is_told() -> None:
    got = row(event(ran("b", "ISO-02", "error"), ran("d", "ISO-09", "passed")))
    assert (got.fate, got.green) == (Fate.CAUGHT, ("ISO-09",))


def test_survived() -> None:
    assert row(event(ran("a", "ISO-02", "passed"), ran("c", "control", "passed"))).fate is Fate.SURVIVED


def test_over_caught() -> None:
    got = row(event(ran("b", "ISO-02", "failed"), ran("c", "control", "failed")))
    assert got.fate is Fate.CAUGHT
    assert not got.good
    assert [red.test for red in got.over_caught] == ["c"]


def test_red_without_the_fault_proves_nothing() -> None:
    assert row(event(ran("b", "ISO-02", "failed"), ran("b", "again", "failed"))).fate is Fate.UNPROVED


def test_no_test_ran() -> None:
    assert row(event(ran("c", "control", "passed"))).fate is Fate.UNTESTED


def test_a_kernel_without_it() -> None:
    assert row(event(outcome="FAIL", message="cannot be armed")).fate is Fate.ABSENT


def test_no_result() -> None:
    assert row().fate is Fate.LOST


def test_a_crash_is_caught_by_the_test_that_ran(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text(
        "[1.0] pnode-fault: gate-bulk ISO-02 selftests/a.py::test_a[x y]\n"
        "[2.0] pnode-fault: gate-bulk ISO-09 selftests/a.py::test_b\r\n"
        "[3.0] pnode-fault: gate-bulk ISO-09 red: assert\n[3.1] Kernel panic\n"
    )
    crash = {
        "properties": [],
        "outcome": "FAIL",
        "kind": "panic",
        "message": "panic: oops",
        "console": "console.log",
    }
    got = row(event(**crash), run_dir=tmp_path)
    assert got.fate is Fate.CAUGHT
    assert [(red.test, red.part) for red in got.reds] == [("selftests/a.py::test_b", "ISO-09")]
    assert "crashes" in got.note


def test_the_table_says_what_people_want_to_know() -> None:
    result = matrix.build(
        [FAULT],
        [event(ran("b", "ISO-02", "failed"), ran("c", "control", "failed"))],
        Path("/nowhere"),
    )
    result.seconds = 83.0
    text = "\n".join(show.lines(result))
    assert "gate-bulk  caught    ISO-02; control red  (2 s)" in text
    assert "over-caught: c: c says so" in text
    assert "1 faults armed: 1 caught; 1 control tests, 1 faults over-caught; 1:23 min" in text


def test_a_matrix_comes_back_from_the_record(tmp_path: Path) -> None:
    events = [
        {"event": "plan", "time": 1.0, "tests": ["faults::gate-bulk"]},
        event(ran("b", "ISO-02", "failed"), time=3.0),
    ]
    known = {"gate-bulk": FAULT}
    made = matrix.build([FAULT], events, tmp_path)
    told = json.loads(json.dumps([row.json() for row in made.rows]))
    ended = {"event": "faults", "time": 4.0, "rows": told, "seconds": 2.0}
    assert matrix.recorded([*events, ended], tmp_path, known) == matrix.Matrix(made.rows, 2.0)
    assert matrix.recorded(events, tmp_path, known) == matrix.Matrix(made.rows, 2.0), "it was cut short"
    (lost,) = (matrix.recorded(events[:1], tmp_path, known) or matrix.Matrix()).rows
    assert lost.fate is Fate.LOST


def test_a_record_of_another_kind_has_no_matrix(tmp_path: Path) -> None:
    events = [{"event": "run-start", "argv": ["run"]}, {"event": "plan", "tests": ["selftests/a.py::test"]}]
    assert matrix.recorded(events, tmp_path, {}) is None
    assert matrix.recorded([{"event": "run-start", "argv": ["faults"]}], tmp_path, {}) == matrix.Matrix()

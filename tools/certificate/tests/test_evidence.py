# SPDX-License-Identifier: GPL-2.0-only
"""What keeps a run from being certified: each reason by a real record that was changed in that one way."""

from pathlib import Path
from typing import Any

import pytest

from tools.certificate import evidence
from tools.certificate.evidence import Allowed
from tools.certificate.tests.conftest import (
    GIVEN,
    ROWS,
    Change,
    Event,
    Record,
    failing,
    of,
    overlooking,
    start,
)
from tools.certificate.verify import Row
from tools.errors import UserError


def test_a_good_run_is_certified(record: Record) -> None:
    assert record.refusals() == []


def setting(name: str, **fields: Any) -> Change:
    def change(events: list[Event]) -> None:
        for event in of(events, name):
            event.update(fields)

    return change


def without(name: str) -> Change:
    def change(events: list[Event]) -> None:
        events[:] = [event for event in events if event["event"] != name]

    return change


def without_result(nodeid: str) -> Change:
    def change(events: list[Event]) -> None:
        events[:] = [e for e in events if e["event"] != "test" or nodeid not in e["nodeid"]]

    return change


def adding(position: int = -1, **event: Any) -> Change:
    return lambda events: events.insert(position, {"time": 1, "topology": "cxl-pair"} | event)


def lost_topology(events: list[Event]) -> None:
    start(events)["topologies"].append("fast")


def flaky(events: list[Event]) -> None:
    """A second round of a test, with another result."""
    (plan,) = of(events, "plan")
    nodeid = plan["tests"][0]
    plan["tests"].append(f"{nodeid}~2")
    first = next(event for event in of(events, "test") if event["nodeid"] == nodeid)
    events.insert(-1, first | {"nodeid": f"{nodeid}~2", "outcome": "FAIL"})


def known_failure(events: list[Event]) -> None:
    """A failure that a file for --known explains."""
    failing("test_policy_path")(events)
    entry = GIVEN | {"table": "known", "match": {"requirement": ["CXL-04"]}}
    events.insert(1, {"event": "known", "time": 1, "entries": [entry]})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without("run-end"), "incomplete: the run has not ended (no run-end)"),
        (without_result("test_policy_path"), "incomplete: 1 planned test without a result: selftests/cxl/"),
        (lost_topology, "incomplete: topology fast was lost, none of its tests ran"),
        (without("session-end"), "incomplete: the session on cxl-pair has not ended"),
        (
            adding(event="problem", kind="interrupted", message="stopped: x\ny"),
            "incomplete: interrupted: stopped: x",
        ),
        (adding(event="problem", kind="internal", message="pytest broke"), "incomplete: internal: pytest"),
        (setting("machine", armed=["gate_bulk"]), "cxl-pair slot0 ran a kernel that is broken on"),
        (setting("machine", armed=None), "cxl-pair slot0 could not tell whether its kernel"),
        (setting("machine", error="OSError()"), "cxl-pair slot0 could not tell what it is: OSError()"),
        (setting("machine", devices=None), "cxl-pair slot0 did not tell its devices"),
        (setting("run-start", run=None), "the record's run-start does not name"),
        (setting("run-start", kernel={}), "the record's run-start does not name"),
        (setting("machine", release="6.1"), "cxl-pair slot0 ran kernel 6.1, the run is of 6.12.117-pnode"),
        (without("machine"), "the record does not tell what machine cxl-pair was"),
        (failing("test_policy_path"), "CXL-04 (must) is FAIL, and no waiver covers it"),
        (failing("test_policy_path", "ERROR"), "CXL-04 (must) is ERROR, and no waiver covers it"),
        (known_failure, "CXL-04 (must) is KNOWN, and no waiver covers it"),
        (
            setting("run-start", selection=["-k", "not policy"]),
            "the run had a choice of tests: -k 'not policy'; run",
        ),
        (
            setting("run-start", selection=["--deselect=x"]),
            "the run had a choice of tests: --deselect=x; run",
        ),
        (setting("run-start", selection=None), "the record does not tell which tests were chosen (an older"),
        (flaky, "1 test FLAKY: selftests/cxl/test_discovery.py::"),
        (setting("run-start", suite="0.1.0+1f41dd8-dirty"), "suite version 0.1.0+1f41dd8-dirty names"),
        (setting("run-start", suite="0.1.0"), "suite version 0.1.0 names no commit"),
        (setting("run-start", suite=None), "suite version unknown names no commit"),
        (setting("run-start", dialect="d1"), "dialect d1 is not certified"),
        (setting("run-start", dialect=None), "dialect None is not certified"),
        (setting("run-start", schema=2), "the record has schema 2, this suite reads 1"),
        (without("run-start"), "the record has 0 run-start events"),
        (adding(event="run-start"), "the record has 2 run-start events"),
        (adding(event="faults", rows=[]), "a run of pnode faults, which breaks its kernel on purpose"),
        (
            adding(event="guest", state="lost", kind="panic", slot=0, boot=0, reason="x", nodeid=None),
            "FAIL cxl-pair guests::slot0-boot0, which no waiver can cover",
        ),
        (
            adding(event="machine", slot=1, armed=[], release="6.12.117-pnode", build_id="00"),
            "the guests of cxl-pair ran different kernels",
        ),
    ],
)
def test_refused(record: Record, change: Change, reason: str) -> None:
    found = record.refusals(change)
    assert any(line.startswith(reason) for line in found), found
    assert all("\n" not in line for line in found)


def test_a_run_of_faults_is_named_as_such_even_without_its_last_event(record: Record) -> None:
    def change(events: list[Event]) -> None:
        for event in of(events, "test"):
            event["nodeid"] = "faults::gate-bulk"

    assert record.refusals(change)[0].startswith("a run of pnode faults")


def test_a_waiver_covers_what_fails_and_nothing_else(record: Record) -> None:
    assert record.refusals(failing("test_policy_path"), waived=frozenset({"CXL-04"})) == []
    assert record.refusals(failing("test_policy_path"), waived=frozenset({"CXL-05"}))


def test_no_waiver_covers_what_changes_from_round_to_round(record: Record) -> None:
    assert record.refusals(flaky, waived=frozenset({"CXL-01"}))


def test_a_should_needs_no_waiver(record: Record) -> None:
    record.rows = [Row("CXL-04", "should") if row.id == "CXL-04" else row for row in ROWS]
    assert record.refusals(failing("test_policy_path")) == []


@pytest.mark.parametrize("suite", ["0.1.0", "0.1.0+1f41dd8-dirty"])
def test_an_unclean_suite_is_allowed_when_asked_for(record: Record, suite: str) -> None:
    assert record.refusals(setting("run-start", suite=suite), dirty=True) == []


def test_requirements_without_a_test_are_allowed_when_asked_for(record: Record) -> None:
    record.rows = [*ROWS, Row("CXL-09", "must"), Row("ISO-01", "must"), Row("ISO-02", "should")]
    (line,) = record.refusals()
    assert line.startswith("2 must requirements without any test in this run: CXL-09, ISO-01; run all")
    assert record.refusals(partial=True) == []


def test_a_choice_of_tests_is_allowed_when_asked_for(record: Record) -> None:
    assert record.refusals(setting("run-start", selection=["-k", "not policy"]), partial=True) == []


def test_rounds_and_order_are_no_choice(record: Record) -> None:
    assert record.refusals(setting("run-start", selection=["--repeat=3", "--seed=7"])) == []


def test_a_record_that_does_not_tell_the_choice_never_is(record: Record) -> None:
    assert record.refusals(setting("run-start", selection=None), partial=True)


def test_exceptions_are_no_reason_to_refuse(record: Record) -> None:
    assert record.refusals(overlooking) == []


def test_of_another_catalogue(record: Record) -> None:
    found = record.load()
    (line,) = evidence.refusals(found, "0" * 64, Allowed())
    assert "is not that of this checkout (000000000000); certify with the suite that ran, 0.1.0+" in line


def test_a_requirement_that_the_catalogue_has_not(record: Record) -> None:
    record.rows = ROWS[:-1]
    assert record.refusals() == ["tests claim what the catalogue does not have: CXL-08"]


def test_an_end_that_does_not_fit(record: Record) -> None:
    found = record.refusals(failing("test_policy_path"), end=False)
    assert found[0].startswith("the end of the record does not fit its events")


def test_a_damaged_line(record: Record) -> None:
    path = record.write()
    path.write_text(path.read_text() + '{"event": "tes')
    found = evidence.load(path, ROWS)
    lines = evidence.refusals(found, found.run["catalogue_hash"], Allowed())
    assert lines == ["1 lines of the record are damaged"]


def test_no_record(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file or directory; give the directory of a run"):
        evidence.load(tmp_path, ROWS)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.1.0+1f41dd8", True),
        ("0.1.0+v1-2-g1f41dd8", True),
        ("0.1.0+1f41dd8-dirty", False),  # of records that are older
        ("0.1.0+1f41dd8-dirty-0123456789ab", False),
        ("0.1.0+", False),
        ("", False),
    ],
)
def test_which_versions_are_clean(version: str, expected: bool) -> None:
    assert evidence.clean(version) is expected

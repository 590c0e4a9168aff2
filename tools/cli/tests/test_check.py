# SPDX-License-Identifier: GPL-2.0-only
"""The closing line of check, and the join of list."""

import argparse
import json
from pathlib import Path

import pytest

from helpers import coverage
from helpers.catalogue import Catalogue, Requirement
from helpers.coverage import cover
from tools.bench.tests.test_split import EVENTS
from tools.cli import check, collect
from tools.cli import list as listing
from tools.cli.certify import Done
from tools.cli.collect import Collected
from tools.errors import UserError
from tools.report.events import Event, Outcome
from tools.report.verdict import judge

ROWS = [Requirement(name, level, "It holds.", "v4 01/27", {"v4": "0"}) for name, level in
        (("ISO-01", "must"), ("ISO-26", "should"), ("ZNL-01", "must"))]  # fmt: skip
CATALOGUE = Catalogue({row.id: row for row in ROWS}, "0")


def test_counts_add_up() -> None:
    total = check.Counts(1, 2, 3) + check.Counts(passed=1)
    assert str(total) == "2 passed, 2 failed, 3 skipped"


def test_junit_is_counted(tmp_path: Path) -> None:
    report = tmp_path / "unit.xml"
    report.write_text(
        "<testsuites><testsuite><testcase/><testcase><failure/></testcase><testcase><error/></testcase>"
        "<testcase><skipped/></testcase></testsuite></testsuites>"
    )
    assert check.count_junit(report) == check.Counts(1, 2, 1)
    report.write_text("<testsuites><testsuite><testc")
    with pytest.raises(UserError, match="cut short"):
        check.count_junit(report)


def test_suite_counts_agree_with_the_exit_status() -> None:
    results = [
        ("a", Outcome.PASS, "ISO-01"),
        ("b", Outcome.SKIP, "ISO-01"),
        ("c", Outcome.FAIL, "ISO-26"),  # a "should": shown, does not fail the run
    ]
    plan = {"event": "plan", "topology": "fast", "tests": ["a", "b", "c", "d"], "requirements": {}}
    tests = [
        {"event": "test", "topology": "fast", "nodeid": nodeid, "outcome": outcome, "requirements": [name]}
        for nodeid, outcome, name in results
    ]
    start = {"event": "run-start", "topologies": ["fast"]}
    verdict = judge([start, plan, *tests], CATALOGUE.values())
    assert check.count_suite(verdict) == check.Counts(passed=1, failed=1, skipped=2)
    complete = judge([start, {**plan, "tests": ["a", "b", "c"]}, *tests], CATALOGUE.values())
    assert complete.exit == 0
    assert check.count_suite(complete) == check.Counts(passed=1, failed=0, skipped=2)


FAULTS = {"gate": ["ISO-01"], "list": ["ISO-01", "QQQ-01"]}
TESTS = [("t::a", ("ISO-01", "ZNL-01")), ("t::b", ("ISO-01",))]


@pytest.mark.parametrize(("bound", "counts", "status"), [(1.0, (1, 0), 0), (0.1, (0, 1), 1)])
def test_each_limit_of_time_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: float, counts: tuple[int, int], status: int
) -> None:
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(one) + "\n" for one in EVENTS))
    monkeypatch.setattr(check.limits, "MIN_TESTS", 1)
    monkeypatch.setattr(check.limits, "load", lambda: {"fast": {"overhead": bound}})
    assert check.time_by_ratio(tmp_path) == (check.Counts(*counts), status)


@pytest.mark.parametrize("when", ["in its tests", "at its end"])
def test_who_interrupts_the_suite_ends_the_check(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    events: list[Event] = [
        {"event": "plan", "topology": "fast", "tests": ["a", "b"], "requirements": {}},
        {
            "event": "test",
            "topology": "fast",
            "nodeid": "a",
            "outcome": Outcome.PASS,
            "requirements": ["ISO-01"],
        },
    ]
    if when == "in its tests":
        events.append({"event": "problem", "topology": "fast", "kind": "interrupted", "message": "x"})
    done = Done(3, Path(), judge(events, ROWS), signalled=when == "at its end")
    monkeypatch.setattr(check, "certify", lambda request: done)
    with pytest.raises(KeyboardInterrupt):
        check.suite(argparse.Namespace(output=None, guests=None))


def test_list_joins_tests_and_faults() -> None:
    joined = cover(CATALOGUE, TESTS, FAULTS)
    rows = {row.id: row for row in listing.rows(CATALOGUE, joined, [])}
    assert rows["ISO-01"].tests == ["t::a", "t::b"]
    assert rows["ISO-01"].faults == ["gate", "list"]
    assert rows["ZNL-01"].tests == ["t::a"]
    assert rows["ISO-26"].tests == []
    assert [row.id for row in listing.rows(CATALOGUE, joined, ["ISO"])] == ["ISO-01", "ISO-26"]
    with pytest.raises(UserError, match="--req QQQ-01"):
        listing.rows(CATALOGUE, joined, ["QQQ-01"])


def test_coverage_is_a_table_with_its_gaps() -> None:
    joined = cover(CATALOGUE, TESTS, FAULTS)
    lines = list(listing.table(listing.rows(CATALOGUE, joined, []), joined.gaps))
    assert lines[1].split() == ["ISO-01", "must", "2", "2", "gate,", "list"]
    assert lines[-1] == "3 requirements: 2 with a test, 1 with a fault, 0 with a reason for none; 4 gaps"


@pytest.mark.parametrize(("enforced", "ends"), [(True, True), (False, False)])
def test_a_gap_is_an_error_only_where_that_is_switched_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], enforced: bool, ends: bool
) -> None:
    monkeypatch.setattr(listing, "load_catalogue", lambda: CATALOGUE)
    monkeypatch.setattr(listing, "load_faults", lambda: FAULTS)
    monkeypatch.setattr(collect, "collect_tests", lambda: [Collected(*row) for row in TESTS])
    monkeypatch.setattr(coverage, "enforced", lambda: enforced)
    args = argparse.Namespace(req=[], json=False, coverage=True, dialect="v4")
    if ends:
        with pytest.raises(UserError, match="4 gaps in the coverage, the first: fault list"):
            listing.execute(args)
    else:
        assert listing.execute(args) == 0
    assert "gap: ISO-26: no test certifies it" in capsys.readouterr().out


def test_a_damaged_fault_list_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text("[gate\n")
    with pytest.raises(UserError, match=r"faults.toml: "):
        listing.load_faults(path)

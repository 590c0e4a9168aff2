# SPDX-License-Identifier: GPL-2.0-only
"""The closing line of check, and the join of list."""

from pathlib import Path

import pytest

from helpers.catalogue import Catalogue, Requirement
from tools.cli import check
from tools.cli import list as listing
from tools.cli.collect import Collected
from tools.errors import UserError
from tools.report.events import Outcome
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
    events = [plan] + [
        {"event": "test", "topology": "fast", "nodeid": nodeid, "outcome": outcome, "requirements": [name]}
        for nodeid, outcome, name in results
    ]
    verdict = judge(events, CATALOGUE.values())
    assert check.count_suite(verdict) == check.Counts(passed=1, failed=1, skipped=2)
    complete = judge([{**plan, "tests": ["a", "b", "c"]}, *events[1:]], CATALOGUE.values())
    assert complete.exit == 0
    assert check.count_suite(complete) == check.Counts(passed=1, failed=0, skipped=2)


def test_list_joins_tests_and_faults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text('[gate]\nhook = "x"\nbreaks = "y"\nturns_red = ["ISO-01"]\n')
    monkeypatch.setattr(listing, "faults_by_requirement", lambda: {"ISO-01": ["gate"]})
    tests = [Collected("t::a", ("ISO-01", "ZNL-01")), Collected("t::b", ("ISO-01",))]
    rows = {row.id: row for row in listing.rows(CATALOGUE, tests, [])}
    assert rows["ISO-01"].tests == ["t::a", "t::b"]
    assert rows["ISO-01"].faults == ["gate"]
    assert rows["ZNL-01"].tests == ["t::a"]
    assert rows["ISO-26"].tests == []
    assert [row.id for row in listing.rows(CATALOGUE, tests, ["ISO"])] == ["ISO-01", "ISO-26"]
    with pytest.raises(UserError, match="--req QQQ-01"):
        listing.rows(CATALOGUE, tests, ["QQQ-01"])


def test_fault_list_is_read(tmp_path: Path) -> None:
    assert listing.faults_by_requirement(tmp_path / "absent.toml") == {}
    path = tmp_path / "faults.toml"
    path.write_text('[gate]\nturns_red = ["ISO-01", "ISO-02"]\n[list]\nturns_red = ["ISO-01"]\n')
    assert listing.faults_by_requirement(path) == {"ISO-01": ["gate", "list"], "ISO-02": ["gate"]}

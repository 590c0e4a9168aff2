# SPDX-License-Identifier: GPL-2.0-only
"""Recorded runs and the reports made from them. The golden files are named after what happened in the run.

To accept a wanted change: PNODE_UPDATE_GOLDEN=1 pytest tools/report/tests, then read the diff.
"""

import importlib.util
import io
import os
import re
from pathlib import Path

import pytest
from junitparser import Error, Failure, JUnitXml, Properties, Skipped
from tap.parser import Parser

from tools.report import finishing, junit, ktap, summary
from tools.report.events import RunLog, read
from tools.report.tests.catalogue import CATALOGUE
from tools.report.verdict import DEVIATES, HOLDS, INCOMPLETE, UNABLE, judge

GOLDEN = Path(__file__).with_name("golden")
RUNS = {
    "a-should-deviates": HOLDS,
    "deviations-of-every-kind": DEVIATES,
    "guests-never-got-ready": UNABLE,
    "kernel-died-between-tests": DEVIATES,
    "killed-in-the-middle-of-a-line": INCOMPLETE,
    "known-splats-and-flaky": DEVIATES,
}
KTAP = ("deviations-of-every-kind", "known-splats-and-flaky")


def verdict_of(name):
    return judge(read(GOLDEN / f"{name}.jsonl").events, CATALOGUE.values())


def matches(text, path):
    if os.environ.get("PNODE_UPDATE_GOLDEN"):
        path.write_text(text)
    return text == path.read_text()


def test_each_recording_is_listed():
    assert {path.stem for path in GOLDEN.glob("*.jsonl")} == set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_summary(name):
    verdict = verdict_of(name)
    assert verdict.exit == RUNS[name]
    text = summary.render(verdict, Path("runs/r1"))
    assert matches(text, GOLDEN / f"{name}.summary")
    assert "\x1b" not in text
    coloured = summary.render(verdict, Path("runs/r1"), colour=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text


@pytest.mark.parametrize("name", KTAP)
def test_nested_ktap(name):
    assert matches(ktap.nested(verdict_of(name)), GOLDEN / f"{name}.ktap")


@pytest.mark.parametrize("name", KTAP)
def test_flat_ktap(name):
    assert matches(ktap.flat(verdict_of(name)), GOLDEN / f"{name}.tap")


@pytest.mark.parametrize("name", RUNS)
def test_flat_ktap_is_read_by_another_parser(name):
    verdict = verdict_of(name)
    lines = list(Parser().parse_text(ktap.flat(verdict)))
    assert not [line.text for line in lines if line.category == "unknown"]
    groups = {(test.topology, test.chapter) for test in verdict.tests}
    tests = [line for line in lines if line.category == "test"]
    (plan,) = [line for line in lines if line.category == "plan"]
    assert plan.expected_tests == len(tests) == len(groups)
    bad = {(test.topology, test.chapter) for test in verdict.tests if test.bad or test.outcome == "KNOWN"}
    assert {line.description for line in tests if not line.ok} == {".".join(group) for group in bad}
    # The nested blocks, without their prefix, are documents of their own.
    inner = [line.text[2:] for line in lines if line.category == "diagnostic"]
    results = [line for line in Parser().parse_text("\n".join(inner)) if line.category == "test"]
    assert len(results) == len(verdict.tests)
    outcomes = [test.outcome for test in verdict.tests]
    assert sum(line.skip for line in results) == outcomes.count("SKIP")
    assert sum(line.todo for line in results) == outcomes.count("KNOWN")
    assert sum(line.ok for line in results) == outcomes.count("PASS") + outcomes.count("SKIP")
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", line.description) for line in results)


def kunit_parser():
    """kunit's parser out of a kernel source that the builds keep, if there is one."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pnode-selftests"
    known = os.environ.get("PNODE_LINUX_SOURCE")
    patterns = ["*/tools/testing/kunit", "*/*/tools/testing/kunit", "*/*/*/tools/testing/kunit"]
    found = [Path(known, "tools/testing/kunit")] if known else []
    found += [path for pattern in patterns for path in sorted(cache.glob(pattern))]
    for path in found:
        if (path / "kunit_parser.py").is_file():
            return path
    pytest.skip("no kernel source with kunit_parser.py (PNODE_LINUX_SOURCE or the cache)")


@pytest.mark.parametrize("name", [name for name in RUNS if verdict_of(name).tests])
def test_nested_ktap_is_read_by_kunit(name, monkeypatch):
    path = kunit_parser()
    monkeypatch.syspath_prepend(str(path))
    spec = importlib.util.spec_from_file_location("kunit_parser", path / "kunit_parser.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "kunit_parser", module)
    spec.loader.exec_module(module)
    verdict = verdict_of(name)
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdout", shown)
    result = module.parse_run_tests(ktap.nested(verdict).splitlines())
    counts = result.counts
    outcomes = [test.outcome for test in verdict.tests]
    assert counts.errors == 0, shown.getvalue()
    assert counts.passed == outcomes.count("PASS")
    # Its parser knows no expected failure: "skipped" is the one word it has that is neither pass nor failure.
    assert counts.skipped == outcomes.count("SKIP") + outcomes.count("KNOWN")
    assert counts.failed == len(outcomes) - counts.passed - counts.skipped
    assert counts.crashed == 0
    topologies = list(dict.fromkeys(test.topology for test in verdict.tests))
    assert [test.name for test in result.subtests] == topologies


@pytest.mark.parametrize("name", RUNS)
def test_junit_is_read_by_another_parser(name, tmp_path):
    verdict = verdict_of(name)
    path = tmp_path / "junit.xml"
    path.write_text(junit.render(verdict), encoding="utf-8")
    document = JUnitXml.fromfile(str(path))
    cases = [case for suite in document for case in suite]
    assert len({(case.classname, case.name) for case in cases}) == len(cases) == len(verdict.tests)
    wanted = {"PASS": None, "FAIL": Failure, "ERROR": Error, "MISS": Error, "SKIP": Skipped}
    wanted |= {"FLAKY": Failure, "KNOWN": Skipped}
    outcomes = {(test.topology, test.nodeid.rpartition("::")[2]): test.outcome for test in verdict.tests}
    for case in cases:
        kind = wanted[outcomes[case.classname.partition(".")[0], case.name]]
        assert [type(result) for result in case.result] == ([kind] if kind else [])


def test_junit_carries_requirements_node_topology_kernel_and_dialect(tmp_path):
    path = tmp_path / "junit.xml"
    path.write_text(junit.render(verdict_of("deviations-of-every-kind")), encoding="utf-8")
    document = JUnitXml.fromfile(str(path))
    assert [suite.name for suite in document] == ["fast.DSC", "fast.HPL", "fast.ISO", "cxl.DSC", "cxl.ISO"]
    suite = next(iter(document))
    assert {entry.name: entry.value for entry in suite.properties()}["kernel_image_sha256"] == "00ff"
    case = next(iter(suite))
    properties = {entry.name: entry.value for entry in case.child(Properties)}
    assert properties == {
        "requirement": "DSC-01",
        "expected": "DSC-01: what v4 makes of DSC-01",
        "topology": "fast",
        "kernel": "6.12.57-pnode",
        "dialect": "v4",
        "node": "1",
        "outcome": "PASS",
        "guest": "slot0",
    }
    assert "node1: 4 pages" in case.system_out
    full = next(case for suite in document for case in suite if case.name == "test_full")
    names = [entry.value for entry in full.child(Properties) if entry.name == "requirement"]
    assert names == ["ISO-04", "DSC-01"]


def test_finish_writes_every_report_of_a_killed_run_and_ends_its_record(tmp_path):
    name = "killed-in-the-middle-of-a-line"
    (tmp_path / "results.jsonl").write_bytes((GOLDEN / f"{name}.jsonl").read_bytes())
    shown = io.StringIO()
    assert finishing.finish(tmp_path, catalogue=CATALOGUE, stream=shown) == INCOMPLETE
    assert "started, but the run ended before its result" in shown.getvalue()
    files = ["junit.xml", "results.jsonl", "results.ktap", "results.tap", "summary.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert read(tmp_path / "results.jsonl").events[-1]["exit"] == INCOMPLETE
    # Again: the same reports, and no second end.
    reports = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert finishing.finish(tmp_path, catalogue=CATALOGUE, stream=io.StringIO()) == INCOMPLETE
    assert reports.keys() == {path.name for path in tmp_path.iterdir()}
    assert reports["results.jsonl"] == (tmp_path / "results.jsonl").read_bytes()
    assert reports["junit.xml"] == (tmp_path / "junit.xml").read_bytes()


def test_finish_on_a_full_disk_reports_on_the_terminal_and_is_incomplete(tmp_path, monkeypatch, capsys):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    said = []
    with RunLog(tmp_path / "results.jsonl", complain=said.append) as log:
        monkeypatch.setattr(log, "_append", full)
        monkeypatch.setattr(Path, "write_text", full)
        for event in read(GOLDEN / "a-should-deviates.jsonl").events:
            log.write(event["event"], **{name: value for name, value in event.items() if name != "event"})
        shown = io.StringIO()
        assert finishing.finish(tmp_path, log=log, catalogue=CATALOGUE, stream=shown) == INCOMPLETE
    assert "1 passed, 1 failed, 0 skipped" in shown.getvalue()
    assert len(said) == 1
    assert "ENOSPC" in capsys.readouterr().err


def test_a_dialect_without_expectations_is_named(tmp_path):
    events = read(GOLDEN / "a-should-deviates.jsonl").events
    events = [{**event, "dialect": "v5"} if event["event"] == "run-start" else event for event in events]
    text = summary.render(judge(events, CATALOGUE.values()), tmp_path)
    assert "no expectation for dialect v5: " in text
    assert "expected (" not in text

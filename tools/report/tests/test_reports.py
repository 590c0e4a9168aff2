# SPDX-License-Identifier: GPL-2.0-only
"""Recorded runs and the reports made from them. The golden files are named after what happened in the run.

To accept a wanted change: PNODE_UPDATE_GOLDEN=1 pytest tools/report/tests, then read the diff.
"""

import io
import os
import re
from pathlib import Path

import pytest
from junitparser import JUnitXml, Properties

from tools.report import finishing, junit, kcidb, ktap, summary
from tools.report.events import Outcome, RunLog, read
from tools.report.outcomes import TestVerdict
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


def test_kcidb():
    recording = read(GOLDEN / "deviations-of-every-kind.jsonl")
    text = kcidb.render(judge(recording.events, CATALOGUE.values()), recording.events)
    assert matches(text, GOLDEN / "deviations-of-every-kind.kcidb.json")


def test_junit_carries_requirements_node_topology_kernel_and_dialect(tmp_path):
    path = tmp_path / "junit.xml"
    path.write_text(junit.render(verdict_of("deviations-of-every-kind")), encoding="utf-8")
    document = JUnitXml.fromfile(str(path))
    assert [suite.name for suite in document] == ["fast.DSC", "fast.HPL", "fast.ISO", "cxl.DSC", "cxl.ISO"]
    suite = next(iter(document))
    assert {entry.name: entry.value for entry in suite.properties()}["kernel_image_sha256"] == "00ff" * 16
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
        "level": "must",
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
    files = [
        *("junit.xml", "kcidb.json", "report.html", "results.jsonl", "results.ktap", "results.tap"),
        "summary.txt",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert read(tmp_path / "results.jsonl").events[-1]["exit"] == INCOMPLETE
    # Again: the same reports, and no second end.
    reports = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert finishing.finish(tmp_path, catalogue=CATALOGUE, stream=io.StringIO()) == INCOMPLETE
    assert reports.keys() == {path.name for path in tmp_path.iterdir()}
    assert reports["results.jsonl"] == (tmp_path / "results.jsonl").read_bytes()
    for name in ("junit.xml", "kcidb.json"):
        assert reports[name] == (tmp_path / name).read_bytes()


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


def test_a_scene_is_played_again_on_the_same_kernel():
    scene = "seed=7 seconds=5 flags=0x3 acts=forks,pingpong"
    test = TestVerdict(
        "fast", "selftests/stress/test_races.py::test_fork_storms", Outcome.FAIL, ("STR-03",),
        properties=(("scene", scene),),
    )  # fmt: skip
    argv = [
        "run",
        "--kernel",
        "bzImage",
        "--build",
        "o",
        "--stress-seed",
        "7",
        "--stress-seconds=60",
        "-k",
        "x",
    ]
    again = summary.rerun_command(judge([{"event": "run-start", "time": 0, "argv": argv}], ()), test)
    assert again == (
        "tools/pnode run --kernel bzImage --build o --stress-seed 7 --stress-seconds 60 --topology fast"
        f" --req STR-03 --stress-scene '{scene}' -k test_fork_storms"
    )


@pytest.mark.parametrize(
    ("argv", "again"),
    [
        (
            "run --kernel=bzImage --build /b --known k.toml",
            "--kernel /src/bzImage --build /b --known /src/k.toml",
        ),
        ("run --here --tx ssh=root@lab1 --tx=ssh=root@lab2", "--here --tx ssh=root@lab1 --tx ssh=root@lab2"),
        ("run --every-cpu --guests 3 --steal 20", "--every-cpu --steal 20"),
    ],
)
def test_the_same_machine_and_kernel_again(argv, again):
    test = TestVerdict("fast", "selftests/a.py::test_b", Outcome.FAIL, ())
    start = {"event": "run-start", "time": 0, "argv": argv.split(), "cwd": "/src"}
    topology = "" if "--here" in again else " --topology fast"
    command = summary.rerun_command(judge([start], ()), test)
    assert command == f"tools/pnode run {again}{topology} -k test_b"

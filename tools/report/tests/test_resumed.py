# SPDX-License-Identifier: GPL-2.0-only
"""A run that was killed and goes on: real sessions, and what the reports make of the record."""

import json
import signal
import time

import pytest

from tools.report import finishing
from tools.report.events import Outcome, RunLog, read
from tools.report.finishing import finish
from tools.report.tests.catalogue import CATALOGUE
from tools.report.tests.test_plugin import events, outcomes, project, run, start, write
from tools.report.verdict import DEVIATES, HOLDS, INCOMPLETE, judge

__all__ = ["project"]

SLOW = """
@requirement("ISO-02")
@pytest.mark.parametrize("n", range(6))
def test_it(n):
    if n == 3 and not (Path(os.environ["RUN_DIR"]) / "go").exists():
        runner = os.getppid()
        (Path(os.environ["RUN_DIR"]) / "here").touch()
        while os.getppid() == runner: time.sleep(0.05)
@requirement("ISO-04")
def test_fails(): assert False
"""


def remaining(project):
    """What `pnode run --resume` would run, as pytest is told."""
    planned = events(project, "plan")[0]["tests"]
    done = {event["nodeid"] for event in events(project, "test")}
    return "--remaining=" + json.dumps([nodeid for nodeid in planned if nodeid not in done])


@pytest.mark.parametrize("arguments", [[], ["-p", "fixtures.repeat", "--repeat=2", "--seed=7"]])
def test_a_run_that_was_killed_goes_on_where_it_was(project, arguments):
    write(project, SLOW)
    arguments = [*arguments, "-p", "fixtures.remaining"]  # the order of conftest.py
    process = start(project, *arguments)
    until = time.monotonic() + 60
    while not (project / "run" / "here").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(0.3)  # for what was running before to be reported
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = outcomes(project)
    plan = events(project, "plan")
    assert 0 < len(before) < len(plan[0]["tests"])
    with (project / "run" / "results.jsonl").open("a") as file:
        file.write('{"event":"test","ti')  # it may be cut short just there
    (project / "run" / "go").touch()
    status, _ = run(project, *arguments, remaining(project))
    after = outcomes(project)  # also checks that none is reported twice
    assert status == DEVIATES
    assert len(after) == len(plan[0]["tests"])
    assert {name: after[name] for name in before} == before
    assert events(project, "plan") == plan, "the plan of the whole run stays the plan"
    rest = [event["nodeid"] for event in events(project, "test")][len(before) :]
    assert rest == [nodeid for nodeid in plan[0]["tests"] if nodeid in rest], "in the order of the whole"
    verdict = judge(read(project / "run" / "results.jsonl").events, CATALOGUE.values())
    assert (verdict.resumed, verdict.counts.of(Outcome.MISS), verdict.problems) == (1, 0, ())


def test_a_run_that_goes_on_is_not_resumed_as_well(project):
    with RunLog(project / "run" / "results.jsonl", alone=True), pytest.raises(BlockingIOError):
        RunLog(project / "run" / "results.jsonl", alone=True)
    RunLog(project / "run" / "results.jsonl", alone=True).close()


def event(name, at, **fields):
    return {"event": name, "time": float(at), **fields}


START = event("run-start", 100, topologies=["fast"])
PLAN = event("plan", 110, topology="fast", tests=["a", "b"], requirements={"a": ["ISO-02"], "b": ["ISO-04"]})


def result(nodeid, at):
    ids = PLAN["requirements"][nodeid]
    return event("test", at, topology="fast", nodeid=nodeid, outcome="PASS", kind=None, requirements=ids)


def test_the_time_between_is_not_counted_and_old_problems_are_over():
    interrupted = event("problem", 130, topology="fast", kind="interrupted", message="interrupted")
    killed = [START, PLAN, result("a", 120), interrupted]
    assert judge(killed, CATALOGUE.values()).exit == INCOMPLETE
    found = judge([*killed, event("resume", 9000), result("b", 9010)], CATALOGUE.values())
    assert (found.exit, found.seconds, found.problems) == (HOLDS, 40.0, ())


def test_a_report_in_between_does_not_end_the_run(tmp_path, capsys):
    with RunLog(tmp_path / "results.jsonl") as log:
        for entry in (START, PLAN, result("a", 120)):
            log.write(entry["event"], **{key: value for key, value in entry.items() if key != "event"})
    assert finish(tmp_path, catalogue=CATALOGUE) == INCOMPLETE
    with RunLog(tmp_path / "results.jsonl") as log:
        log.write("resume", time=9000.0)
        log.write("test", **{key: value for key, value in result("b", 9001).items() if key != "event"})
        assert finish(tmp_path, log=log, catalogue=CATALOGUE) == HOLDS
        assert finish(tmp_path, log=log, catalogue=CATALOGUE) == HOLDS
    ends = [entry for entry in read(tmp_path / "results.jsonl").events if entry["event"] == "run-end"]
    assert [end["exit"] for end in ends] == [INCOMPLETE, HOLDS]
    assert "resumed once" in capsys.readouterr().out


def added(log, *entries):
    for entry in entries:
        log.write(entry["event"], **{key: value for key, value in entry.items() if key != "event"})


def ends(run_dir):
    return [entry["exit"] for entry in read(run_dir / "results.jsonl").events if entry["event"] == "run-end"]


def test_a_report_of_a_run_that_goes_on_leaves_its_record_alone(tmp_path, capsys):
    with RunLog(tmp_path / "results.jsonl", alone=True) as log:
        added(log, START, PLAN, result("a", 120))
        before = log.path.read_bytes()
        assert finish(tmp_path, catalogue=CATALOGUE) == INCOMPLETE
        assert log.path.read_bytes() == before
        output = capsys.readouterr()
        assert output.err == f"pnode: {tmp_path}: this run is still going on; so far:\n"
        assert "record of this run is incomplete" not in output.out
        assert (tmp_path / "report.html").is_file()
        added(log, result("b", 130))
        assert finish(tmp_path, log=log, catalogue=CATALOGUE) == HOLDS
    assert ends(tmp_path) == [HOLDS]


@pytest.mark.parametrize("more", [result("b", 130), event("guest", 130, topology="fast", state="down")])
def test_an_end_that_the_run_went_on_after_is_none(tmp_path, more):
    with RunLog(tmp_path / "results.jsonl") as log:
        added(log, START, PLAN, result("a", 120), event("run-end", 125, exit=INCOMPLETE), more)
    for _ in range(2):
        status = finish(tmp_path, catalogue=CATALOGUE)
    assert ends(tmp_path) == [INCOMPLETE, status]


def test_a_run_that_ends_while_its_report_is_made_has_one_end(tmp_path, monkeypatch):
    with RunLog(tmp_path / "results.jsonl") as log:
        added(log, START, PLAN, result("a", 120))
    judge_first = finishing.verdict_of

    def slow(*words):
        found = judge_first(*words)
        with RunLog(tmp_path / "results.jsonl", alone=True) as log:
            added(log, result("b", 130), event("run-end", 140, exit=HOLDS))
        return found

    monkeypatch.setattr(finishing, "verdict_of", slow)
    assert finish(tmp_path, catalogue=CATALOGUE) == INCOMPLETE
    assert ends(tmp_path) == [HOLDS]

# SPDX-License-Identifier: GPL-2.0-only
"""What has to hold for a whole run, with a runner that is only played."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.chaos import data, plan, scenario
from tools.chaos.plan import Session
from tools.chaos.scenario import Machine
from tools.errors import UserError
from tools.report import RunLog, finish

KNOWN = data.load()
WHERE = Machine(Path("bzImage"), Path("pnode_test.ko"), Path("pnode_chaos.ko"), 2)
Play = Callable[[Session, Path, Path], int]


def records(log: RunLog, session: Session, results: int | None = None) -> None:
    """A run in which every fault but those of the run was seen as expected; `results` tests ended."""
    log.write("run-start", topologies=["fast"])
    log.write("plan", topology="fast", tests=session.nodeids())
    for number, (nodeid, fault) in enumerate(zip(session.nodeids(), session.faults, strict=True)):
        if results is not None and number >= results:
            log.write("test-start", topology="fast", nodeid=nodeid)
            return
        message = "an assertion that fails on purpose"
        fields = {"outcome": fault.outcome, "kind": fault.kind, "message": message}
        log.write("test", topology="fast", nodeid=nodeid, **fields)


def played(monkeypatch: pytest.MonkeyPatch, play: Play) -> None:
    def inner(session: Session, machine: Machine, run_dir: Path, spec: Path, answer: Path) -> int:
        return play(session, run_dir, answer)

    monkeypatch.setattr(scenario, "_inner", inner)
    monkeypatch.setattr(scenario, "GONE_SECONDS", 0.1)


def answer_of(log: RunLog, run_dir: Path, answer: Path) -> None:
    with open("/dev/null", "w") as nothing:
        status = finish(run_dir, log=log, catalogue={}, stream=nothing)
    answer.write_text(json.dumps({"status": status, "events": log.events}))


def session_of(*names: str) -> Session:
    (session,) = plan.sessions([KNOWN[name] for name in names], 1)
    return session


def wrong(rows: list[Any]) -> list[str]:
    return [what for row in rows for what in row.wrong]


def test_a_session_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def play(session: Session, run_dir: Path, answer: Path) -> int:
        with RunLog(run_dir / "results.jsonl") as log:
            records(log, session)
            answer_of(log, run_dir, answer)
        return 0

    played(monkeypatch, play)
    rows = scenario.run(session_of("fails", "prints-much"), WHERE, tmp_path / "s")
    assert wrong(rows) == []
    assert {row.fault for row in rows} == {"fails", "prints-much"}


def test_a_runner_that_breaks_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def play(session: Session, run_dir: Path, answer: Path) -> int:
        with RunLog(run_dir / "results.jsonl") as log:
            records(log, session, 1)
        return 1

    played(monkeypatch, play)
    found = wrong(scenario.run(session_of("fails"), WHERE, tmp_path / "s"))
    assert "the runner ended with status 1, without a report" in found
    assert "outcome or kind" in found


def test_guests_that_do_not_come_up_end_the_series(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    played(monkeypatch, lambda session, run_dir, answer: 2)
    with pytest.raises(UserError, match="could not be started"):
        scenario.run(session_of("fails"), WHERE, tmp_path / "s")


def test_a_session_that_was_stopped_has_rows_of_what_was_done(tmp_path: Path) -> None:
    session = session_of("fails", "warn", "fails")
    with RunLog(tmp_path / "results.jsonl") as log:
        records(log, session, session.nodeids().index(next(n for n in session.nodeids() if "warn" in n)))
    (row,) = scenario.until_then(session, tmp_path)
    assert (row.fault, row.good) == ("fails", True)
    (tmp_path / "alone").mkdir()
    with RunLog(tmp_path / "alone" / "results.jsonl") as log:
        records(log, session_of("kill-runner"), 2)
    assert scenario.until_then(session_of("kill-runner"), tmp_path / "alone") == []


def test_what_a_killed_runner_has_to_leave(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def play(session: Session, run_dir: Path, answer: Path) -> int:
        with RunLog(run_dir / "results.jsonl") as log:
            records(log, session, 3)
        return -9

    played(monkeypatch, play)
    (row,) = scenario.run(session_of("kill-runner"), WHERE, tmp_path / "s")
    assert row.good, row.wrong
    assert row.seen == "MISS"
    assert (tmp_path / "s" / "junit.xml").exists(), "pnode report made the reports"


def test_a_killed_runner_that_loses_what_was_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def play(session: Session, run_dir: Path, answer: Path) -> int:
        (run_dir / "results.jsonl").write_text("")
        return -9

    played(monkeypatch, play)
    assert wrong(scenario.run(session_of("kill-runner"), WHERE, tmp_path / "s"))


def test_a_run_on_a_full_disk_that_claims_to_be_complete(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def play(session: Session, run_dir: Path, answer: Path) -> int:
        with RunLog(run_dir / "results.jsonl") as log:
            records(log, session)
            answer_of(log, run_dir, answer)
        return 0

    played(monkeypatch, play)
    monkeypatch.setattr(scenario, "_small_disk", lambda run_dir: scenario.contextlib.nullcontext())
    found = wrong(scenario.run(session_of("full-disk"), WHERE, tmp_path / "s"))
    assert "exit status 0, not 3" in found
    assert "the disk was not full: all events are recorded" in found

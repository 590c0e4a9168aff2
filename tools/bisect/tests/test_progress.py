# SPDX-License-Identifier: GPL-2.0-only
"""What is left of a bisect that ended early: all of it, unless there was nothing to bisect."""

import argparse
import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.bisect import session, workspace
from tools.bisect.repository import Repository
from tools.bisect.step import Job
from tools.bisect.tests.conftest import Commit
from tools.bisect.workspace import Workspace
from tools.cli import bisect
from tools.errors import UserError

JOB = Job("ISO-02", ("ISO-02",))


@pytest.fixture
def whole(
    clone: Repository, step: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], int]:
    """`pnode bisect` between two commits, with the step that stands in for the real one."""

    def words(_job: Job, work: Workspace, _output: Path) -> list[str]:
        return [*step, str(work.tree.path), str(work.record.path)]

    monkeypatch.setattr(bisect, "step_words", words)

    def go(good: str, bad: str) -> int:
        given = {"output": tmp_path / "runs", "drop": False, "trust_ends": False, "keep": False}
        return bisect.whole(argparse.Namespace(good=good, bad=bad, **given), clone, JOB)

    return go


@pytest.fixture
def ends(commit: Commit) -> tuple[str, str]:
    """Of a range in which a step stops, for a reason of this machine."""
    good = commit("good")
    for text in ("good 2", "ABORT", "bad 1"):
        commit(text)
    return good, commit("bad 2")


@pytest.mark.parametrize("where", ["restore", "bisecting"])
def test_a_machine_that_cannot_go_on_keeps_what_was_judged(
    whole: Callable[[str, str], int],
    ends: tuple[str, str],
    clone: Repository,
    step: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
) -> None:
    def full(_: Repository) -> None:
        raise UserError("git reset: disk full: No space left on device")

    with pytest.raises(session.Stopped):
        whole(*ends)
    work = workspace.find(clone, "ISO-02", [*JOB.words, *ends])
    judged = work.record.read()
    assert len(judged) >= 2
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(Repository, where, full)
        with pytest.raises(UserError, match="disk full"):
            whole(*ends)
    assert work.exists
    assert work.record.read() == judged
    assert f"{len(judged)} commits judged" in capsys.readouterr().err
    Path(step[1]).write_text(Path(step[1]).read_text().replace('255 if "ABORT"', '1 if "ABORT"'))
    assert whole(*ends) == 0
    assert not work.home.exists()


def test_a_log_that_finds_no_room_keeps_the_finding(
    whole: Callable[[str, str], int],
    commit: Commit,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", "runs/bisect.log")

    good, first, last = commit("good"), commit("bad"), commit("bad 2")
    with monkeypatch.context() as patch:
        patch.setattr(session, "keep_log", full)
        with pytest.raises(OSError, match="No space left"):
            whole(good, last)
    monkeypatch.setattr(session, "_follow", lambda *_: pytest.fail("nothing is judged twice"))
    assert whole(good, last) == 0
    assert f"first bad commit: {first[:12]}" in capsys.readouterr().out


def test_ends_that_are_not_as_said_leave_nothing(
    whole: Callable[[str, str], int], commit: Commit, clone: Repository
) -> None:
    ends = commit("good"), commit("good 2")
    with pytest.raises(session.WrongEnds, match="is good"):
        whole(*ends)
    assert not workspace.find(clone, "ISO-02", [*JOB.words, *ends]).home.exists()


def test_a_worktree_that_finds_no_room_is_no_progress(
    whole: Callable[[str, str], int],
    ends: tuple[str, str],
    clone: Repository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(repository: Repository, path: Path, _commit: str) -> Repository:
        (path / "mm").mkdir(parents=True)
        raise UserError("making a worktree: disk full")

    monkeypatch.setattr(Repository, "add_worktree", full)
    with pytest.raises(UserError, match="disk full"):
        whole(*ends)
    assert not workspace.find(clone, "ISO-02", [*JOB.words, *ends]).home.exists()

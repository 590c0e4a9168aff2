# SPDX-License-Identifier: GPL-2.0-only
"""pnode restore: what it says, and when it touches nothing."""

import os
from pathlib import Path

import pytest

from tools.cli import main as cli
from tools.cli import restore
from tools.cli.exits import Exit
from tools.errors import UserError
from tools.hardware import journal
from tools.hardware.journal import Journal, Taken
from tools.hardware.settings import Settings

NOTE = Journal(
    7, ["run", "--here"], "runs/x", "pnode_test", [Taken("dax0.0", "kmem")], Settings({}, {}, [], [], None, 0)
)


def run(*words: str) -> int:
    _, args = cli.parse(["restore", *words])
    return restore.execute(args)


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(journal, "read", lambda: NOTE)
    return tmp_path


def test_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match="needs root"):
        run()


def test_nothing_to_restore(
    note: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(journal, "read", lambda: None)
    assert run() == Exit.HOLDS
    assert "nothing to restore" in capsys.readouterr().err


def test_show(note: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--show") == Exit.HOLDS
    assert "dax0.0, driver before: kmem" in capsys.readouterr().out


def test_a_run_that_is_going_on_is_left_alone(note: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "holders", lambda: [7, 9])
    with pytest.raises(UserError, match=r"its run is going on .process 7."):
        run()

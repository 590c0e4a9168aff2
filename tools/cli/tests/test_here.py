# SPDX-License-Identifier: GPL-2.0-only
"""A run on this machine that is cut off in the middle of a test."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.cli import here, session
from tools.cli.here import Wish
from tools.cli.session import Setting
from tools.hardware import guard
from tools.hardware.plan import Hardware
from tools.report import RunLog


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    """Of a run whose machine is taken and given back without anything being touched."""

    @contextlib.contextmanager
    def taken(*_: object) -> Iterator[None]:
        yield
        (tmp_path / "given back").touch()

    monkeypatch.setattr(guard, "taken", taken)
    monkeypatch.setattr(here, "hardware", lambda _wish: Hardware((), None, allow_disruptive=False))
    monkeypatch.setattr(here.machine, "told", lambda: None)
    monkeypatch.setattr(here.pace, "measure", lambda: 1.0)
    with RunLog(tmp_path / "results.jsonl") as log:
        yield Setting(tmp_path, log, {}, [], 9.0, lambda _dialect: None)  # type: ignore[arg-type]


def cut(setting: Setting, monkeypatch: pytest.MonkeyPatch, *, interrupted: bool) -> None:
    """pytest ends with what the fixtures of the test it was in complain about."""

    def broken(*_: object) -> int:
        if interrupted:
            setting.log.write("problem", topology="here", kind="interrupted", message="")
        raise AssertionError("the module has 1 ranges plugged, expected 0")

    monkeypatch.setattr(session, "session", broken)
    here.run(Path("m.ko"), [], setting, Wish())


def test_what_an_interrupted_test_leaves_is_told(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(setting, monkeypatch, interrupted=True)
    assert "what the interrupted test left: the module has 1 ranges" in capsys.readouterr().err
    assert (setting.run_dir / "given back").exists()


def test_anything_else_is_an_error(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="1 ranges plugged"):
        cut(setting, monkeypatch, interrupted=False)

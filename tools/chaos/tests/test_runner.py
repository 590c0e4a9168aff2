# SPDX-License-Identifier: GPL-2.0-only
"""A series as a whole: what is left of one that is stopped, and what several make together."""

import json
from pathlib import Path

import pytest

from tools.chaos import data, runner, scenario
from tools.chaos.plan import Session
from tools.chaos.runner import Series
from tools.chaos.scenario import Machine
from tools.chaos.seen import Row
from tools.errors import UserError

WHERE = Machine(Path("bzImage"), Path("pnode_test.ko"), Path("pnode_chaos.ko"), 1)
FAULTS = [data.load()[name] for name in ("fails", "warn", "panic")]


def rows(session: Session, name: str) -> list[Row]:
    named = [fault.name for fault in session.faults if fault is not data.GOOD]
    return [Row(name, "nodeid", fault, "FAIL panic", "FAIL panic", "", 1.0) for fault in named]


def series(run_dir: Path, monkeypatch: pytest.MonkeyPatch, sessions: int, seed: int = 1) -> Series:
    """One that is interrupted in the session after these."""

    def played(session: Session, where: Machine, directory: Path) -> list[Row]:
        if directory.name == f"session{sessions:02}":
            raise KeyboardInterrupt
        return rows(session, directory.name)

    monkeypatch.setattr(scenario, "until_then", lambda session, directory: [])
    monkeypatch.setattr(scenario, "run", played)
    run_dir.mkdir()
    return runner.run(FAULTS, WHERE, run_dir, seed, per_session=1)


def test_a_series_that_is_stopped_has_its_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = series(tmp_path / "a", monkeypatch, 2)
    assert (len(found.rows), found.stopped, found.good) == (2, True, True)
    kept = json.loads((tmp_path / "a" / runner.FILE).read_text())
    assert (kept["injected"], kept["attributed"], kept["stopped"]) == (2, 2, True)


def test_series_add_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, second = series(tmp_path / "a", monkeypatch, 9), series(tmp_path / "b", monkeypatch, 2, seed=5)
    found = runner.together([tmp_path / "a", tmp_path / "b"])
    assert list(found.rows) == [*first.rows, *second.rows]
    assert (found.seeds, found.stopped, first.stopped) == ([1, 5], True, False)


@pytest.mark.parametrize("text", [None, "{", '{"faults": [{"session": "a"}]}'])
def test_what_is_no_table_of_a_series(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / runner.FILE).write_text(text)
    with pytest.raises(
        UserError, match=r"no chaos.json of pnode chaos in it \(|chaos.json: no series of pnode chaos \("
    ):
        runner.together([tmp_path])

# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of a machine, so that it can be put back when the tests are killed."""

from pathlib import Path

import pytest

from fixtures.knobs import SESSION_KNOBS
from helpers import paths
from helpers.knobs import knob
from tools.hardware import settings


@pytest.mark.parametrize("name", [name for name, _value in SESSION_KNOBS])
def test_whatever_the_session_sets_is_put_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setattr(paths, "PROC", tmp_path / "proc")
    monkeypatch.setattr(paths, "SYS", tmp_path / "sys")
    path = knob(name.replace("/sys/", f"{paths.SYS}/", 1)).path
    assert path.is_relative_to(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("before\n")
    assert settings.knobs() == {str(path): "before"}

# SPDX-License-Identifier: GPL-2.0-only
"""A program that hangs is made to say where, and nothing of it stays."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from tools.cli import bounded, check

HANGS = """
import faulthandler, subprocess, sys, time
from pathlib import Path
faulthandler.enable()
def stands_here():
    Path("up" + sys.argv[1]).touch()
    time.sleep(60)
if sys.argv[1] == "1":
    subprocess.Popen([sys.executable, __file__, "2"])
stands_here()
"""


def test_a_program_that_ends_gives_its_status(tmp_path: Path) -> None:
    assert bounded.run([sys.executable, "-c", "import sys; sys.exit(5)"], tmp_path, 30) == 5


def test_a_program_that_hangs_prints_its_stacks_and_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bounded, "STACK_SECONDS", 4.0)
    program = tmp_path / "hangs.py"
    program.write_text(HANGS)
    began = time.monotonic()
    assert bounded.run([sys.executable, program, "1"], tmp_path, 3) is None
    assert time.monotonic() - began < 20
    assert capfd.readouterr().err.count("in stands_here") == len(list(tmp_path.glob("up?"))) == 2
    assert not [one for one in psutil.process_iter() if str(program) in _words(one)]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_unit_tests_that_hang_are_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(bounded, "run", lambda argv, cwd, seconds: seen.append(argv))
    assert check.unit_tests(tmp_path / "unit.xml") == check.Counts(failed=1)
    assert f"--timeout={check.TEST_SECONDS}" in seen[0]
    assert "did not end within 1200 s and were killed" in capsys.readouterr().err

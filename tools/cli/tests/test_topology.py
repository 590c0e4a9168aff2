# SPDX-License-Identifier: GPL-2.0-only
"""pnode topology: lists, draws a file, draws a run."""

from pathlib import Path

import pytest

from tools.certificate.tests.conftest import Record
from tools.cli import main as cli
from tools.guest import topology


def test_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["topology"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == topology.names()


def test_one_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["topology", "cxl-pair"]) == 0
    assert "mem1  serial 0x2  256M volatile" in capsys.readouterr().out


def test_a_run_shows_what_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Record(tmp_path).write()
    assert cli.main(["topology", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "cxl-pair: as slot0 found it" in out
    assert "mem1  0x8086:0x0d93  serial 0x1  256M volatile  BWFW VERSION 00" in out


def test_a_run_that_does_not_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Record(tmp_path).write(lambda events: events.__delitem__(slice(1, None)))
    assert cli.main(["topology", str(tmp_path)]) == 2
    assert "no guest has said what it is" in capsys.readouterr().err


def test_neither(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["topology", str(tmp_path)]) == 2
    assert "neither a topology (cxl, cxl-hmat" in capsys.readouterr().err

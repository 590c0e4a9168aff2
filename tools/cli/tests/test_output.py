# SPDX-License-Identifier: GPL-2.0-only
"""Whoever reads along, or does not: status and reports are the same."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tools import output
from tools.cli import report as verb
from tools.paths import ROOT

GOLDEN = Path(verb.__file__).parents[1] / "report/tests/golden"
ENTRY = [sys.executable, "-P", str(ROOT / "tools/cli/__main__.py")]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run whose reports have not been made; some must deviates."""
    shutil.copyfile(GOLDEN / "deviations-of-every-kind.jsonl", tmp_path / "results.jsonl")
    return tmp_path


@pytest.fixture(params=["full disk", "no reader", "closed"])
def nowhere(request: pytest.FixtureRequest) -> Iterator[IO[bytes] | None]:
    """What takes nothing; None: not even open."""
    if request.param == "closed":
        yield None
        return
    if request.param == "full disk":
        writer = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, writer = os.pipe()
        os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as file:
        yield file


def pnode(*words: str | Path, to: IO[bytes] | None) -> int:
    shut = "exec 1>&- 2>&-;" if to is None else ""
    argv = ["sh", "-c", f'{shut} exec "$@"', "sh", *ENTRY, *map(str, words)]
    return subprocess.run(argv, stdout=to, stderr=to).returncode


def test_reports_are_made_and_the_status_is_the_verdicts(run_dir: Path, nowhere: IO[bytes] | None) -> None:
    assert pnode("report", run_dir, to=nowhere) == 1
    assert (run_dir / "report.html").is_file()
    for line in (run_dir / "results.jsonl").read_text().splitlines():
        assert json.loads(line), "closed, its number is that of no other file"


def test_what_only_prints_has_failed(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*ENTRY, "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "pnode: standard output: ENOSPC (No space left on device)\n"
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run([*ENTRY, "list"], stdout=pipe, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "")


def test_a_locale_that_lacks_a_character(run_dir: Path) -> None:
    record = run_dir / "results.jsonl"
    record.write_text(record.read_text().replace('"message":"', '"message":"\\ufffd\\ud800\\u2192é '))
    env = os.environ | {"PYTHONIOENCODING": "iso-8859-1", "PYTHONUTF8": "0"}
    done = subprocess.run([*ENTRY, "report", run_dir], capture_output=True, env=env)
    assert (done.returncode, done.stderr) == (1, b"")
    assert rb"\ufffd\ud800\u2192" + "é".encode("iso-8859-1") in done.stdout
    assert (run_dir / "report.html").is_file()


def test_a_pipe_that_does_not_block_loses_nothing() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    got: list[bytes] = []

    def read() -> None:
        while data := os.read(reader, 4096):
            got.append(data)

    thread = threading.Thread(target=read)
    with output.stream(writer, closefd=True) as stream:
        stream.write("x" * 100)
        stream.flush()
        thread.start()
        for number in range(5000):
            print(number, "y" * 100, file=stream, flush=True)
    thread.join()
    os.close(reader)
    lines = b"".join(got).decode().splitlines()
    assert [line.split()[0] for line in lines[1:]] == [str(number) for number in range(1, 5000)]


def test_what_was_lost_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "wb") as full:
        monkeypatch.setattr(sys, "stdout", output.stream(full.fileno()))
        assert output.lost() is None
        sys.stdout.write("kept in a buffer")
        found = output.lost()
        assert found is not None
        assert found.errno == errno.ENOSPC
    monkeypatch.undo()
    assert output.lost() is None

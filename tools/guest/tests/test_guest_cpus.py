# SPDX-License-Identifier: GPL-2.0-only
"""CPUs that are online for some tests only: a real session over a machine of files."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.guest.layers import INSIDE
from tools.paths import ROOT

CONFTEST = """
import os, pathlib
import guest_cpus

HERE = pathlib.Path(__file__).parent
guest_cpus.CPUS, guest_cpus.CMDLINE = HERE / "cpu", HERE / "cmdline"
os.sched_setaffinity = lambda pid, cpus: (HERE / "bound").write_text(str(list(cpus)))

def pytest_configure(config):
    config.addinivalue_line("markers", "every_cpu: x")
"""
TESTS = """
import pathlib, pytest

def state():
    here = pathlib.Path(__file__).parent
    return [(here / "cpu" / f"cpu{number}" / "online").read_text() for number in (1, 2)]

def test_first(): assert state() == FIRST
@pytest.mark.every_cpu
def test_many(): assert state() == ["1", "1"]
@pytest.mark.every_cpu
def test_still(): assert state() == ["1", "1"]
def test_one(): assert state() == LAST
"""


def machine(folder: Path, cmdline: str) -> None:
    (folder / "cmdline").write_text(cmdline)
    for number in range(3):
        (folder / "cpu" / f"cpu{number}").mkdir(parents=True)
    for number in (1, 2):
        (folder / "cpu" / f"cpu{number}" / "online").write_text("-")
    (folder / "cpu" / "present").write_text("0-2\n")
    (folder / "cpu" / "online").write_text("0,2\n")


def session(folder: Path, first: list[str], last: list[str]) -> str:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(TESTS.replace("FIRST", str(first)).replace("LAST", str(last)))
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "guest_cpus", "-p", "no:hypothesispytest"],
        cwd=folder,
        env={"PYTHONPATH": f"{INSIDE}:{ROOT}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


def test_online_for_those_that_are_marked(tmp_path: Path) -> None:
    machine(tmp_path, "quiet maxcpus=1 panic=-1")
    said = session(tmp_path, ["-", "-"], ["0", "0"])
    assert "4 passed" in said, said
    # Bound to what is online, whatever a test before it was bound to.
    assert (tmp_path / "bound").read_text() == "[0, 2]"


@pytest.mark.parametrize("cmdline", ["quiet", "maxcpus=1 maxcpus=3", "nr_maxcpus=1"])
def test_nothing_is_touched_where_all_were_started(tmp_path: Path, cmdline: str) -> None:
    machine(tmp_path, cmdline)
    said = session(tmp_path, ["-", "-"], ["-", "-"])
    assert "2 failed, 2 passed" in said, said
    assert not (tmp_path / "bound").exists()

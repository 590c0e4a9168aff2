# SPDX-License-Identifier: GPL-2.0-only
"""Which tests there are for a topology and a selection: asked of pytest, on the host, without a kernel."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tools.cli import collector, plans
from tools.errors import UserError
from tools.paths import ROOT

LAST_LINES = 20


@dataclass(frozen=True)
class Collected:
    """A test as pytest names it, the requirements it certifies, and why it will be skipped, where that is
    known before it runs."""

    nodeid: str
    requirements: tuple[str, ...]
    skipped: str | None = None


def collect_tests(
    arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> list[Collected]:
    """Return the tests that pytest would run with these arguments; it is asked once, until a file changes.

    `environment` tells the topology (PNODE_TOPOLOGY, PNODE_PROVIDES). Raises UserError with pytest's line
    for bad arguments, and with its last lines when a test file cannot be imported.
    """
    name = plans.key(arguments, environment or {})
    found = plans.recall(name)
    if found is None:
        found = _ask_pytest(arguments, environment or {})
        plans.keep(name, found)
    return [Collected(test["nodeid"], tuple(test["requirements"]), test["skipped"]) for test in found]


def _ask_pytest(arguments: Sequence[str], environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the collector has written, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="pnode-") as scratch:
        output = Path(scratch, "tests.json")
        env = dict(os.environ, PYTHONPATH=str(ROOT), **{collector.OUTPUT: str(output)})
        argv = [
            *(sys.executable, "-P", "-m", "pytest", "-p", "tools.cli.collector", "--collect-only", "-qq"),
            *("--no-header", f"--rootdir={ROOT}", f"--config-file={ROOT / 'pyproject.toml'}", *arguments),
        ]
        done = subprocess.run(
            argv,
            cwd=ROOT,
            env=env | dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED:
            return []
        if done.returncode != pytest.ExitCode.OK:
            raise UserError(complaint(done))
        found: list[dict[str, Any]] = json.loads(output.read_text())
        return found


def complaint(done: "subprocess.CompletedProcess[str]") -> str:
    """Return what pytest did not like: its usage error as a line, else the end of its output."""
    for line in done.stderr.splitlines():
        if "error: " in line:  # of its argument parser, below "ERROR: usage: ..."
            return f"pytest: {line.partition('error: ')[2]}; see pytest --help for what may follow --"
        if line.startswith("ERROR: ") and "usage: " not in line:
            return line.removeprefix("ERROR: ")
    lines = (done.stdout + done.stderr).splitlines()
    return "the tests cannot be collected:\n  " + "\n  ".join(lines[-LAST_LINES:])

# SPDX-License-Identifier: GPL-2.0-only
"""A suite that only plays a run: what a bot's script does with its end is what is under test."""

import os
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.report.tests.test_reports import GOLDEN

BOTS = Path(__file__).parents[1]
PASSES = """\
TAP version 13
1..1
# TAP version 13
# 1..2
# ok 1 a.test_holds
# ok 2 a.test_has-no-swap # SKIP no swap
ok 1 fast.ISO
"""
SKIPS = PASSES.replace("ok 1 a.test_holds", "ok 1 a.test_holds # SKIP no device")
DEVIATES = (GOLDEN / "deviations-of-every-kind.tap").read_text()
KNOWN = (GOLDEN / "known-splats-and-flaky.tap").read_text()


def program(path: Path, text: str) -> Path:
    """Make an executable file."""
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@dataclass
class Played:
    """Runs a script of tools/bots against the played suite; `told` has the words the suite was given."""

    directory: Path

    @property
    def told(self) -> list[str]:
        return (self.directory / "told").read_text().split("\n")[:-1]

    def suite(self, status: int, tap: str | None, says: str = "pnode: fast: up") -> Path:
        """A `pnode` that writes this, ends so, and leaves a run."""
        run = self.directory / "results/run1"
        run.mkdir(parents=True, exist_ok=True)
        if tap is not None:
            (run / "results.tap").write_text(tap)
        (run / "kcidb.json").write_text('{"version": {"major": 5, "minor": 3}}')
        results = f"echo 'results: {run}'" if tap is not None else ":"
        script = f"""#!/bin/sh
            printf '%s\\n' "$@" >{self.directory}/told
            echo '[1/2] fast PASS a.test'
            echo '{says}' >&2
            {results}
            exit {status}
        """
        return program(self.directory / "pnode", script)

    def __call__(
        self, script: str, *arguments: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        words = [str(BOTS / script), *arguments]
        ours = {"PNODE": str(self.directory / "pnode"), "TMPDIR": str(self.directory)}
        env = {**os.environ, **ours, **(env or {})}
        return subprocess.run(words, env=env, cwd=self.directory, capture_output=True, text=True, timeout=60)


@pytest.fixture
def played(tmp_path: Path) -> Played:
    return Played(tmp_path)

# SPDX-License-Identifier: GPL-2.0-only
"""A small repository that passes for a kernel tree, and a step that needs neither compiler nor guest."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.bisect.repository import Repository
from tools.kernel.tests.test_build import KCONFIG, MAKEFILE
from tools.kernel.tree import API_HEADER

#: Judges by what mm/page.c says: as a step does, it adds a line to the record and ends with git's status.
STEP = """\
import json, os, signal, subprocess, sys, time
tree, record = sys.argv[1:]
git = ["git", "-C", tree]
commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
words = open(f"{tree}/mm/page.c").read().split()
code = 255 if "ABORT" in words else 125 if "BROKEN" in words else 1 if "bad" in words else 0
if "SLOW" in words and not os.path.exists(f"{record}.interrupted"):
    signal.signal(signal.SIGTERM, lambda *_: (open(f"{record}.interrupted", "w").close(), os._exit(130)))
    open(f"{record}.waiting", "w").close()
    time.sleep(60)
print("judged", commit)
if code < 128:
    row = {"commit": commit, "subject": "s", "code": code, "verdict": "V", "reason": "because"}
    with open(record, "a") as stream:
        stream.write(json.dumps(row) + "\\n")
sys.exit(code)
"""


def git(path: Path, *words: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=n@x", "-c", "commit.gpgsign=false"]
    argv = ["git", *identity, "-C", str(path), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


Commit = Callable[[str], str]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with one commit, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "linux"
    files = {
        "Makefile": MAKEFILE,
        "Kconfig": KCONFIG,
        "mm/page.c": "0\n",
        API_HEADER: "\n",
        ".gitignore": "/build\n",
    }
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    git(path, "init", "--quiet", "--initial-branch=main")
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message=first")
    return Repository(path)


@pytest.fixture
def commit(clone: Repository) -> Commit:
    """Commits a new mm/page.c and returns the commit; its text is its subject."""

    def make(text: str) -> str:
        (clone.path / "mm/page.c").write_text(f"{text}\n")
        git(clone.path, "commit", "--quiet", "--all", "--allow-empty", f"--message=mm: {text}")
        return git(clone.path, "rev-parse", "HEAD")

    return make


@pytest.fixture
def step(tmp_path: Path) -> list[str]:
    """The first words of the step that stands in for the real one."""
    script = tmp_path / "step.py"
    script.write_text(textwrap.dedent(STEP))
    return [sys.executable, str(script)]

# SPDX-License-Identifier: GPL-2.0-only
"""What pytest collected, kept for as long as nothing has changed that it depends on: collecting takes longer
than all else that a run does before its guests are started.
"""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tools.guest.slot import write_atomically
from tools.paths import ROOT, cache_dir

# Plans kept, the latest used: one for each topology and selection.
KEEP = 64
# What a collection reads: tests with their catalogue, what they import, and what the coverage is judged by.
_FOLDERS = ("selftests", "fixtures", "helpers", "tools/kernel")
_FILES = ("conftest.py", "pyproject.toml", "tools/cli/collector.py")
_SUFFIXES = (".py", ".toml", ".h")
_PACKAGES = ("pytest", "pytest-xdist", "pytest-timeout", "hypothesis")


def key(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a plan belongs to: pytest's arguments, the environment of the collection, interpreter, packages,
    and times and sizes of all files. Raises OSError for a file that goes meanwhile."""
    about: list[object] = [
        sys.version,
        sys.prefix,
        [version(name) for name in _PACKAGES],
        list(arguments),
        sorted(environment.items()),
        sorted((name, value) for name, value in os.environ.items() if name.startswith(("PYTEST", "PNODE"))),
    ]
    for path in sorted(_paths()):
        status = path.stat()
        about.append((str(path), status.st_size, status.st_mtime_ns))
    return hashlib.sha256(repr(about).encode()).hexdigest()[:20]


def _paths() -> Iterator[Path]:
    yield from (ROOT / name for name in _FILES)
    for name in _FOLDERS:
        for folder, _, files in os.walk(ROOT / name):
            yield from (Path(folder, file) for file in files if file.endswith(_SUFFIXES))


def recall(name: str) -> Any:
    """The plan with a key as it was kept, None when there is none."""
    path = cache_dir("plans") / f"{name}.json"
    try:
        kept = json.loads(path.read_text())
        os.utime(path)
    except (OSError, ValueError):
        return None
    return kept


def keep(name: str, plan: object) -> None:
    """Keep a plan; a full disk keeps none."""
    with contextlib.suppress(OSError):
        folder = cache_dir("plans")
        write_atomically(folder / f"{name}.json", json.dumps(plan))
        old = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-KEEP]
        for path in old:
            path.unlink(missing_ok=True)

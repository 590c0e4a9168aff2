# SPDX-License-Identifier: GPL-2.0-only
"""Which suite this is."""

import hashlib
import os
import subprocess
import tomllib
from pathlib import Path

from tools.bisect.repository import environment
from tools.paths import ROOT

#: What makes the suite and is given to guests whole, so that files count that git does not know.
_SUITE = ("selftests", "fixtures", "helpers", "tools", "conftest.py")
_DIGITS = 12


def suite_version(root: Path = ROOT) -> str:
    """Return the version of this suite: of the project, and of the commit where there is one.

    With local changes it ends in "-dirty-" and a hash of the files that are changed or new, so that only what
    is the same has the same version.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    try:
        commit = os.fsdecode(_git(root, "describe", "--always")).strip()
        changed = _git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", "HEAD", "--", ".")
        new = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *_SUITE)
    except (FileNotFoundError, subprocess.CalledProcessError):  # a machine under test need not have it
        return str(project)
    paths = sorted({path for path in (changed + new).split(b"\0") if path})
    return f"{project}+{commit}" + (f"-dirty-{_hash(root, paths)}" if paths else "")


def _git(root: Path, *words: str) -> bytes:
    # No lock of the index: others work in this tree while a run asks.
    argv = ["git", "--no-optional-locks", "-C", str(root), *words]
    return subprocess.run(argv, capture_output=True, check=True, env=environment()).stdout


def _hash(root: Path, paths: list[bytes]) -> str:
    """A hash of files as they are: name, kind, contents; one that was deleted has neither."""
    found = hashlib.sha256()
    for path in paths:
        kind, content = _file(Path(root, os.fsdecode(path)))
        found.update(b"%s\0%s %d\0%s" % (path, kind, len(content), content))
    return found.hexdigest()[:_DIGITS]


def _file(path: Path) -> tuple[bytes, bytes]:
    try:
        if path.is_symlink():
            return b"link", os.fsencode(path.readlink())
        return (b"program" if path.stat().st_mode & 0o100 else b"file"), path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b"gone", b""
    except OSError as error:  # a repository in the repository, a file that cannot be read
        return b"unreadable", str(error.errno).encode()

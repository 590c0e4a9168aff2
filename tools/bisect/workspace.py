# SPDX-License-Identifier: GPL-2.0-only
"""Where a bisect happens: a worktree and an object directory of its own, in the cache, until it is done.

What it is about names the directory, so that the same command finds it again after an interrupt.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from tools.bisect.judgement import Record
from tools.bisect.repository import Repository
from tools.errors import UserError
from tools.paths import cache_dir

WHOLE = "whole"  # an empty file: the worktree was made to its end
OBJECTS = "build"  # in the worktree: kbuild uses relative paths then, and ccache finds its objects again


@dataclass(frozen=True)
class Workspace:
    """The directory of one bisect."""

    home: Path
    source: Repository  # the user's tree: commits come from it, nothing in it changes

    @property
    def tree(self) -> Repository:
        """The worktree."""
        return Repository(self.home / "linux")

    @property
    def objects(self) -> Path:
        """Where kernels are built; kept from commit to commit, so that make does the difference only."""
        return self.tree.path / OBJECTS

    @property
    def record(self) -> Record:
        """The judgements so far."""
        return Record(self.home / "steps.jsonl")

    @property
    def git_log(self) -> Path:
        """What git said."""
        return self.home / "git.log"

    @property
    def exists(self) -> bool:
        """Whether an earlier command has left it, whole."""
        return (self.home / WHOLE).is_file()

    def prepare(self, commit: str) -> None:
        """Make the worktree, or restore the one that is there. Raises UserError."""
        if self.exists:
            self.tree.restore()
            return
        self.remove()
        self.home.mkdir(parents=True)
        try:
            self.source.add_worktree(self.tree.path, commit)
        except UserError:
            with contextlib.suppress(UserError):
                self.remove()  # half a worktree takes the room that there was not enough of
            raise
        (self.home / WHOLE).touch()

    def remove(self) -> None:
        """Remove everything: worktree, objects, and git's knowledge of both."""
        self.source.remove_worktree(self.tree.path)
        shutil.rmtree(self.home, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others out. Raises UserError when somebody is in."""
        lock = FileLock(f"{self.home}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UserError(f"another pnode is at work on this bisect ({self.home})") from None
        try:
            yield
        finally:
            lock.release()


def find(source: Repository, label: str, parts: Sequence[str]) -> Workspace:
    """Return the workspace for a tree, a label and all that matters besides; it may not exist yet."""
    text = json.dumps([str(source.path.resolve()), label, *parts])
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Workspace(cache_dir("bisect") / f"{label}-{digest}", source)

# SPDX-License-Identifier: GPL-2.0-only
"""A git repository, as far as a bisect needs it. Works in worktrees of its own, never in the user's."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tools.errors import UserError
from tools.process import run

#: Hooks are the user's, for the user's own work: a checkout of ours must not start them.
COMMON = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false")
_LOGGED = re.compile(r"# (?P<what>first bad|possible first bad) commit: \[(?P<commit>[0-9a-f]+)\]")


def environment() -> dict[str, str]:
    """Return the environment of git: without what would point it at another repository (set in hooks)."""
    foreign = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
    return {name: value for name, value in os.environ.items() if name not in foreign} | {"LC_ALL": "C"}


@dataclass(frozen=True)
class Findings:
    """What `git bisect log` knows: the first bad commit, or those that could be it."""

    first_bad: str | None = None
    possible: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repository:
    """A working tree of git, the user's or a linked one."""

    path: Path

    def git(self, *words: str | Path, what: str) -> str:
        """Run git here and return what it prints. Raises UserError with git's own last lines."""
        return run(["git", *COMMON, "-C", self.path, *words], what, env=environment()).strip()

    def commit(self, name: str) -> str:
        """Return the full id that a name means. Raises UserError when it means no commit here."""
        try:
            words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
            return self.git(*words, what="git rev-parse")
        except UserError as error:
            raise UserError(f"{self.path}: {name!r} names no commit (fetched? a tag?)") from error

    def subject(self, commit: str) -> str:
        """Return the first line of a commit's message."""
        return self.git("show", "--no-patch", "--format=%s", commit, what="git show")

    def head(self) -> str:
        """Return the commit that is checked out."""
        return self.commit("HEAD")

    def restore(self) -> None:
        """Undo what a checkout that was killed half way has left."""
        where = self.git("rev-parse", "--git-path", "index.lock", what="git rev-parse")
        Path(self.path, where).unlink(missing_ok=True)
        self.git("reset", "--hard", "--quiet", what="git reset")

    def checkout(self, commit: str) -> None:
        """Check a commit out, without a branch."""
        self.git("checkout", "--quiet", "--detach", commit, what=f"checking out {commit[:12]}")

    def add_worktree(self, path: Path, commit: str) -> "Repository":
        """Return a new working tree of this repository, at a commit."""
        words = ("worktree", "add", "--quiet", "--force", "--detach", path, commit)
        self.git(*words, what=f"making a worktree in {path}")
        return Repository(path)

    def remove_worktree(self, path: Path) -> None:
        """Remove a worktree with all that was built in it, and a bisect that it was in."""
        known = self.git("worktree", "list", "--porcelain", what="git worktree list").splitlines()
        if f"worktree {path}" in known:
            self.git("worktree", "remove", "--force", "--force", path, what=f"removing {path}")

    def bisecting(self) -> bool:
        """Whether this working tree is in a bisect."""
        where = self.git("rev-parse", "--git-path", "BISECT_START", what="git rev-parse")
        return Path(self.path, where).exists()

    def steps_left(self) -> int | None:
        """Return about how many more steps a bisect takes, None outside one."""
        if not self.bisecting():
            return None
        bad = "refs/bisect/bad"
        good = self.git("for-each-ref", "--format=%(objectname)", "refs/bisect/good-*", what="git bisect")
        words = ("rev-list", "--bisect-vars", bad, "--not", *good.split())
        found = re.search(r"^bisect_steps=(\d+)", self.git(*words, what="git rev-list"), re.MULTILINE)
        return int(found[1]) if found else None

    def log(self) -> str:
        """Return the log of the bisect, as `git bisect replay` reads it."""
        return self.git("bisect", "log", what="git bisect log")


def findings(log: str) -> Findings:
    """Read the end of a bisect's log."""
    found = [(match["what"], match["commit"]) for match in _LOGGED.finditer(log)]
    first = next((commit for what, commit in found if what == "first bad"), None)
    return Findings(first, tuple(commit for what, commit in found if what != "first bad"))


def open_tree(path: Path) -> Repository:
    """Return the kernel tree in a directory. Raises UserError when it is none, or no git repository."""
    if not path.is_dir():
        raise UserError(f"--tree {path}: no such directory; give a git clone of the kernel")
    try:
        top = Repository(path).git("rev-parse", "--show-toplevel", what="git rev-parse")
    except UserError as error:
        raise UserError(f"--tree {path}: {str(error).partition(': ')[2]}; give a git clone of it") from error
    for name in ("Kconfig", "Makefile"):
        if not Path(top, name).is_file():
            raise UserError(f"--tree {top}: no {name} at its top, so it is not a kernel tree")
    return Repository(Path(top))

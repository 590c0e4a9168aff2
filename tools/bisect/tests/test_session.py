# SPDX-License-Identifier: GPL-2.0-only
"""Whole bisects by the real git, with a step that looks at a file."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tools.bisect import session, workspace
from tools.bisect.repository import Findings, Repository
from tools.bisect.session import Ends, Stopped, narrow
from tools.bisect.tests.conftest import Commit, git
from tools.bisect.workspace import Workspace
from tools.errors import UserError


@pytest.fixture
def work(clone: Repository) -> Workspace:
    return workspace.find(clone, "ISO-02", ("x",))


def words(work: Workspace, step: list[str]) -> list[str]:
    return [*step, str(work.tree.path), str(work.record.path)]


def test_first_bad_commit_is_found(work: Workspace, commit: Commit, step: list[str]) -> None:
    good, *_ = (commit(f"good {n}") for n in range(3))
    middle = [commit(f"good {n}") for n in range(3, 6)]
    first, *_, last = [commit(f"bad {n}") for n in range(5)]
    found = narrow(work, Ends(good, last), words(work, step))
    assert found == Findings(first)
    judged = work.record.read()
    assert (judged[first].code, judged[middle[-1]].code) == (1, 0)
    assert len(judged) < 8, "half of the commits need no judgement"
    text = "\n".join(session.report(work, found, ["ISO-02"], ["pnode", "--at"], Path("bisect.log")))
    assert text.startswith(f"first bad commit: {first[:12]} mm: bad 0\n  ISO-02 V: because\n")
    assert f"again: pnode --at {first[:12]}" in text


def test_the_users_tree_stays_as_it_is(work: Workspace, commit: Commit, step: list[str]) -> None:
    source = work.source
    good, bad = commit("good"), [commit("bad 1"), commit("bad 2")][-1]
    (source.path / "mm/page.c").write_text("work in progress\n")
    git(source.path, "bisect", "start")  # the user's own
    before = git(source.path, "status", "--porcelain"), git(source.path, "bisect", "log")
    narrow(work, Ends(good, bad), words(work, step))
    assert (git(source.path, "status", "--porcelain"), git(source.path, "bisect", "log")) == before
    assert source.head() == bad
    work.remove()
    assert not work.home.exists()
    assert len(git(source.path, "worktree", "list").splitlines()) == 1
    assert (source.path / "mm/page.c").read_text() == "work in progress\n"


def test_what_does_not_build_is_skipped(work: Workspace, commit: Commit, step: list[str]) -> None:
    good = commit("good")
    for text in ("good 2", "BROKEN 1", "good 3"):
        commit(text)
    first, last = commit("bad"), commit("bad 2")
    assert narrow(work, Ends(good, last), words(work, step)) == Findings(first)


def test_only_skipped_commits_are_left(work: Workspace, commit: Commit, step: list[str]) -> None:
    good = commit("good")
    broken = [commit("BROKEN 1"), commit("BROKEN 2")]
    last = commit("bad")
    found = narrow(work, Ends(good, last), words(work, step))
    assert found.first_bad is None
    assert set(found.possible) == {*broken, last}
    text = "\n".join(session.report(work, found, ["ISO-02"], ["pnode", "--at"], Path("bisect.log")))
    assert all(commit[:12] in text for commit in found.possible)


def test_one_commit_between_the_ends(work: Workspace, commit: Commit, step: list[str]) -> None:
    good, bad = commit("good"), commit("bad")
    assert narrow(work, Ends(good, bad), words(work, step), trust=True) == Findings(bad)
    assert work.record.read() == {}


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (
            ("good", "good 2"),
            r"--bad \w{12} is good: V \(because\); there is nothing to bisect until it is bad",
        ),
        (("bad", "bad 2"), r"--good \w{12} is bad: V"),
        (("good", "BROKEN"), r"--bad \w{12} cannot be judged: V"),
    ],
)
def test_ends_that_are_not_as_said(
    work: Workspace, commit: Commit, step: list[str], texts: tuple[str, str], reason: str
) -> None:
    ends = Ends(commit(texts[0]), commit(texts[1]))
    with pytest.raises(UserError, match=reason):
        narrow(work, ends, words(work, step))
    assert not work.tree.bisecting()


def test_ends_that_have_diverged(work: Workspace, commit: Commit, step: list[str], clone: Repository) -> None:
    base = commit("bad base")
    bad = commit("bad")
    git(clone.path, "checkout", "--quiet", "-b", "side", base)
    good = commit("good, mended on the side")
    with pytest.raises(UserError, match="merge base is bad as well"):
        narrow(work, Ends(good, bad), words(work, step))


def test_a_step_that_stops_leaves_a_bisect_to_go_on_with(
    work: Workspace, commit: Commit, step: list[str]
) -> None:
    good = commit("good")
    for text in ("good 2", "ABORT", "bad 1"):
        commit(text)
    last = commit("bad 2")
    with pytest.raises(Stopped, match="ended with"):
        narrow(work, Ends(good, last), words(work, step))
    assert work.tree.bisecting()
    # What was in the way is mended: here the step, for a user the disk.
    Path(step[1]).write_text(Path(step[1]).read_text().replace('255 if "ABORT"', '1 if "ABORT"'))
    found = narrow(work, Ends(good, last), words(work, step))
    assert work.source.subject(str(found.first_bad)) == "mm: ABORT"


def test_interrupted_in_a_step_and_gone_on_with(work: Workspace, commit: Commit, step: list[str]) -> None:
    good = commit("good")
    first, last = commit("bad SLOW"), [commit("bad 2"), commit("bad 3")][-1]
    ends = Ends(good, last)
    waiting = Path(f"{work.record.path}.waiting")

    def interrupt() -> None:
        while not waiting.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        narrow(work, ends, words(work, step))
    assert Path(f"{work.record.path}.interrupted").exists(), "the step was told, not killed"
    assert first not in work.record.read()
    # As a checkout leaves it that was killed half way.
    (work.tree.path / "mm/page.c").unlink()
    assert narrow(work, ends, words(work, step)) == Findings(first)


def test_interrupted_while_the_worktree_was_made(work: Workspace, commit: Commit, step: list[str]) -> None:
    good, bad = commit("good"), commit("bad")
    work.prepare(bad)
    (work.home / workspace.WHOLE).unlink()
    (work.tree.path / "mm/page.c").unlink()
    assert narrow(work, Ends(good, bad), words(work, step)) == Findings(bad)


def test_two_at_once(work: Workspace, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tools.bisect.repository import Repository\n"
        "from tools.bisect import workspace\n"
        "with workspace.find(Repository(Path(sys.argv[1])), 'ISO-02', ('x',)).locked():\n"
        "    print('in', flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", code, str(work.source.path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(UserError, match="another pnode is at work"), work.locked():
            pass
        other.communicate("")
    with work.locked():
        pass

# SPDX-License-Identifier: GPL-2.0-only
"""A whole bisect: are the ends what they are said to be, then `git bisect run`, then what it found."""

import contextlib
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tools.bisect import repository
from tools.bisect.judgement import WORDS, Code, Judgement
from tools.bisect.repository import COMMON, Findings, environment
from tools.bisect.step import say
from tools.bisect.workspace import Workspace
from tools.errors import UserError

MERGE_BASE_IS_BAD = 3  # exit status of git bisect
_GIT = re.compile(r"git.*|(da|ba)?sh")
GRACE = 60.0  # seconds for a step to end its guest and compiler in order


class WrongEnds(UserError):
    """There is nothing to bisect: the ends of the range are not what the user takes them for."""


class Stopped(UserError):
    """The bisect stands still and can go on: a step could not say anything for a reason of this machine."""


@dataclass(frozen=True)
class Ends:
    """The commits a bisect starts from."""

    good: str
    bad: str


def narrow(work: Workspace, ends: Ends, step: Sequence[str], *, trust: bool = False) -> Findings:
    """Judge the ends (unless trusted), bisect between them, and return what came out.

    `step` are the words that judge the worktree's commit. All is kept in the workspace: the same call goes on
    where an interrupted one stopped. Raises WrongEnds; UserError (Stopped is one) and KeyboardInterrupt with
    a bisect that can go on.
    """
    say(f"{'going on' if work.exists else 'checking out a worktree'} in {work.home}")
    work.prepare(ends.bad)
    checkout = work.tree
    if not checkout.bisecting():
        if not trust:
            check_end(work, ends.bad, Code.BAD, step)
            check_end(work, ends.good, Code.GOOD, step)
        _say_to_log(work, checkout.git("bisect", "start", ends.bad, ends.good, what="git bisect start"))
    found = repository.findings(checkout.log())
    if found == Findings():
        status = _follow(["git", *COMMON, "-C", str(checkout.path), "bisect", "run", *step], work.git_log)
        found = repository.findings(checkout.log())
        if found == Findings() and status == MERGE_BASE_IS_BAD:
            raise WrongEnds("git bisect: the ends have diverged, and their merge base is bad as well")
        if found == Findings():
            raise Stopped(f"git bisect run ended with {status}; why is above, and in {work.git_log}")
    return found


def check_end(work: Workspace, commit: str, wanted: Code, step: Sequence[str]) -> None:
    """Judge an end of the range, once. Raises WrongEnds when it is not what the user takes it for."""
    known = work.record.read()
    if commit not in known:
        say(f"is {commit[:12]} {WORDS[wanted]}?")
        work.tree.checkout(commit)
        status = _follow(step, work.git_log)
        known = work.record.read()
        if status >= Code.INTERRUPTED or commit not in known:
            raise Stopped(f"the step ended with {status}; why is above")
    found = known[commit]
    if found.code is not wanted:
        option = "--bad" if wanted is Code.BAD else "--good"
        reason = f" ({found.reason})" if found.reason else ""
        verb = "" if found.code is Code.SKIP else "is "
        raise WrongEnds(
            f"{option} {commit[:12]} {verb}{WORDS[found.code]}: {found.verdict}{reason}; "
            f"there is nothing to bisect until it is {WORDS[wanted]}"
        )


def _follow(argv: Sequence[str], log: Path) -> int:
    """Run a program whose own process group the terminal's ^C does not reach; its stdout goes to `log`.

    On an interrupt the step is told: it ends its guest and compiler, and git, which sees it end with 130,
    leaves its bisect as it is.
    """
    with log.open("ab") as stream:
        process = subprocess.Popen(
            argv, env=environment(), stdin=subprocess.DEVNULL, stdout=stream, start_new_session=True
        )
        try:
            return process.wait()
        except BaseException:
            _end(process)
            raise


def _end(process: "subprocess.Popen[bytes]") -> None:
    told: set[int] = set()
    deadline = time.monotonic() + GRACE
    try:
        while process.poll() is None and time.monotonic() < deadline:
            for step in _steps(process.pid):
                if step.pid not in told:
                    told.add(step.pid)
                    step.send_signal(signal.SIGTERM)
            time.sleep(0.1)  # git may be at a checkout now, and start the next step after it
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in psutil.Process(process.pid).children(recursive=True):
                one.kill()
        process.kill()
        process.wait()


def _steps(pid: int) -> list[psutil.Process]:
    """The process, or those that git and its shells have started: what a step starts is its own business."""
    try:
        one = psutil.Process(pid)
        if not _GIT.fullmatch(one.name()):
            return [one]
        return [step for child in one.children() for step in _steps(child.pid)]
    except psutil.NoSuchProcess:
        return []


def _say_to_log(work: Workspace, text: str) -> None:
    with work.git_log.open("a") as stream:
        stream.write(f"{text}\n")


def keep_log(work: Workspace, directory: Path) -> Path:
    """Copy what is worth keeping of the workspace: the bisect's log (for `git bisect replay`), the steps."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "bisect.log"
    log.write_text(work.tree.log() + "\n")
    if work.record.path.exists():
        shutil.copyfile(work.record.path, directory / "steps.jsonl")
    return log


def report(
    work: Workspace, found: Findings, names: Sequence[str], again: Sequence[str], log: Path
) -> list[str]:
    """Return the lines that tell the result: the first bad commit (or those it could be), why, all steps.

    `again` are the words of the command that judges a commit, up to the commit.
    """
    steps = work.record.read()
    source = work.source
    if found.first_bad:
        judged: Judgement | None = steps.get(found.first_bad)
        lines = [f"first bad commit: {found.first_bad[:12]} {source.subject(found.first_bad)}"]
        if judged:
            lines += [f"  {', '.join(names)} {judged.verdict}{f': {judged.reason}' if judged.reason else ''}"]
            lines += [f"  run:   {judged.run}"] if judged.run else []
        lines += [f"  again: {shlex.join([*again, found.first_bad[:12]])}"]
    else:
        lines = ["first bad commit: one of these, of which only the last could be judged:"]
        lines += [f"  {commit[:12]} {source.subject(commit)}" for commit in found.possible]
    return [
        *lines,
        f"  log:   {log}",
        f"{len(steps)} commits judged:",
        *(f"  {s.line}" for s in steps.values()),
    ]

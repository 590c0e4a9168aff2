# SPDX-License-Identifier: GPL-2.0-only
"""Runs other programs so that a failure is one line, and nothing outlives an interrupt."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.errors import UserError

NO_SPACE = ("No space left on device", "Disk quota exceeded")
LAST_LINES = 3


def run(
    argv: Sequence[str | Path], what: str, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run a program to its end and return its standard output.

    Raises UserError with the last lines of its messages when it is missing or fails; `what` names the
    step in the user's words.
    """
    try:
        done = subprocess.run(
            [str(word) for word in argv],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise UserError(f"{what}: {error.filename} not found (see pnode doctor)") from error
    if done.returncode:
        raise UserError(failure(what, done.stderr or done.stdout, done.returncode))
    return done.stdout


def failure(what: str, messages: str, status: int) -> str:
    """Return the line for a failed program; a full disk is named as such, whoever met it."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    for line in lines:
        if any(mark in line for mark in NO_SPACE):
            return f"{what}: disk full: {line}"
    return f"{what} failed (status {status}): {' | '.join(lines[-LAST_LINES:]) or 'no message'}"


@contextmanager
def process_group(
    argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start a program with its children in a group of its own, stdout and stderr as one text pipe.

    Leaving the block early (an exception, ^C) ends the whole group.
    """
    child = subprocess.Popen(
        [str(word) for word in argv],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        with child:
            try:
                yield child
            except BaseException:
                os.killpg(child.pid, signal.SIGKILL)
                raise
    finally:
        child.wait()

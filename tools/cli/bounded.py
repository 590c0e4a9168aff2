# SPDX-License-Identifier: GPL-2.0-only
"""Runs a Python program that must end: past its time it has to say where it stands, and is killed."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

STACK_SECONDS = 5.0  # for faulthandler to print what each thread does


def run(argv: Sequence[str | Path], cwd: Path, seconds: float) -> int | None:
    """Return the exit status of a program, None when it had to be killed after `seconds`.

    SIGABRT goes first to the program and to all that it started: under pytest faulthandler answers with the
    stacks of all threads on standard error. Nothing of it is left afterwards, also when this is interrupted.
    """
    process = subprocess.Popen(argv, cwd=cwd)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        _end(process, signal.SIGABRT, STACK_SECONDS)
        return None
    except BaseException:
        _end(process, signal.SIGTERM, STACK_SECONDS)
        raise


def _end(process: subprocess.Popen[bytes], first: signal.Signals, seconds: float) -> None:
    """Send a signal to the whole tree, and SIGKILL to what is still there after it had its time."""
    with contextlib.suppress(psutil.NoSuchProcess):
        tree = psutil.Process(process.pid).children(recursive=True)
        # Those at the far end first: a parent that goes away early would end them without a word.
        for one in reversed(tree):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(first)
        psutil.wait_procs(tree, timeout=seconds / 2)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, first)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds / 2)
        for one in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.kill()
    process.wait()

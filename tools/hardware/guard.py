# SPDX-License-Identifier: GPL-2.0-only
"""A machine in the hands of a run: noted first, taken, and given back whatever becomes of the runner.

The watchdog is a process of a session of its own, so that ^C and a kill of the runner's group pass it by. It
does nothing as long as the runner lives, and nothing when the runner has undone all itself.

    python -P -m tools.hardware.guard PID DIRECTORY
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers import syscalls
from tools import output
from tools.errors import UserError
from tools.hardware import journal
from tools.hardware.journal import DIRECTORY, LOCK, LOG_OF_WATCHDOG, MENDING, Journal, Taken
from tools.hardware.mend import mend
from tools.hardware.settings import Settings
from tools.hardware.targets import Target
from tools.paths import ROOT

MODULE = "pnode_test"
#: For the module to give its memory back while the runner is there to wait for it.
OWN_SECONDS = 20.0
_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def say(text: str) -> None:
    """Tell people what goes on."""
    print(f"pnode: {text}", file=sys.stderr, flush=True)


@contextmanager
def taken(targets: list[Target], module: Path, run_dir: Path, directory: Path = DIRECTORY) -> Iterator[None]:
    """Take dax devices from their drivers and load the module; as before when the block ends, also by ^C.

    Raises UserError when another run has the machine, and when the kernel refuses a step.
    """
    with journal.held(LOCK, directory) as alone:
        if not alone:
            raise UserError(
                f"another run has this machine (processes {journal.holders(directory=directory)})"
            )
        refuse_unmended(directory)
        note = Journal(
            os.getpid(),
            sys.argv[1:],
            str(run_dir),
            MODULE,
            [
                Taken(one.device.name, one.driver, {str(index): state for index, state in one.blocks.items()})
                for one in targets
            ],
            Settings.now(),
        )
        # It comes before the journal: killed in between, this process leaves nobody who undoes what is noted.
        watchdog = _start_watchdog(directory)
        try:
            note.write(directory)
        except BaseException:
            watchdog.kill()
            watchdog.wait()
            raise
        try:
            _take(targets, module)
            yield
        finally:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            try:
                _give_back(note, directory, watchdog)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)


def refuse_unmended(directory: Path = DIRECTORY) -> None:
    """Raise UserError where an earlier run has not been undone."""
    if journal.read(directory) is not None:
        raise UserError(
            f"an earlier run has left this machine changed ({directory / journal.FILE}): run pnode restore"
        )


def _take(targets: list[Target], module: Path) -> None:
    try:
        for one in targets:
            one.device.unbind()
        handle = os.open(module, os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.finit_module(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise UserError(f"the kernel refuses to give what the run needs: {error} ({module.name})") from error


def _give_back(note: Journal, directory: Path, watchdog: "subprocess.Popen[bytes]") -> None:
    with journal.held(MENDING, directory, wait=True):
        wrong = mend(note, lambda line: say(f"restored: {line}"), directory, seconds=OWN_SECONDS)
    for line in wrong:
        say(f"not restored: {line}")
    if wrong:
        # The watchdog tries once more when this process, and what it may still hold, is gone.
        say(
            f"this machine is not as it was; {directory / LOG_OF_WATCHDOG} tells whether it is soon, else "
            "try pnode restore"
        )
        return
    watchdog.kill()
    watchdog.wait()


def _start_watchdog(directory: Path) -> "subprocess.Popen[bytes]":
    with (directory / LOG_OF_WATCHDOG).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "tools.hardware.guard", str(os.getpid()), str(directory)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def watch(pid: int, directory: Path) -> int:
    """Wait for the end of a process and undo what its journal names. Returns the exit status."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        select.select([handle], [], [])
        os.close(handle)
    with journal.held(MENDING, directory, wait=True):
        note = journal.read(directory)
        if note is None or note.pid != pid:
            return 0
        print(f"the runner (process {pid}) is gone, and has left this machine changed", flush=True)
        wrong = mend(note, lambda line: print(f"restored: {line}", flush=True), directory)
        for line in wrong:
            print(f"not restored: {line}", flush=True)
        return 1 if wrong else 0


if __name__ == "__main__":
    output.install()  # a full disk behind the log is no reason to leave the machine as it is
    sys.exit(watch(int(sys.argv[1]), Path(sys.argv[2])))

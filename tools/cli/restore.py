# SPDX-License-Identifier: GPL-2.0-only
"""pnode restore: a machine back to what it was before a run on it that nobody could undo."""

import argparse
import os

from tools.cli.exits import Exit, statuses
from tools.cli.session import say
from tools.errors import UserError
from tools.hardware import journal
from tools.hardware.journal import DIRECTORY, LOG_OF_WATCHDOG, MENDING, Journal
from tools.hardware.mend import mend


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = statuses(
        "all is as before, or there was nothing to restore",
        cannot="not root, a run is going on, or something could not be restored: the lines say what",
        incomplete="",
    )
    parser.description = (
        "A run on this machine (pnode run --here) undoes everything when it ends, and its watchdog does when "
        f"it is killed. What neither could undo is noted in {DIRECTORY / journal.FILE}; this tries again. It "
        "changes only what differs from that note, and may be repeated."
    )
    parser.add_argument("--show", action="store_true", help="print what is noted, and change nothing")


def execute(args: argparse.Namespace) -> int:
    if os.geteuid() != 0:
        raise UserError("restore needs root")
    note = journal.read()
    if note is None:
        say(f"nothing to restore: there is no {DIRECTORY / journal.FILE}")
        return Exit.HOLDS
    if args.show:
        print("\n".join(show(note)))
        return Exit.HOLDS
    if alive(note):
        raise UserError(
            f"its run is going on (process {note.pid}); stop that with ^C or SIGTERM, which undoes all"
        )
    with journal.held(MENDING) as free:
        if not free:
            raise UserError(f"its watchdog is at it; see {DIRECTORY / LOG_OF_WATCHDOG}")
        wrong = mend(note, lambda line: say(f"restored: {line}"))
    for line in wrong:
        say(f"not restored: {line}")
    return Exit.CANNOT_RUN if wrong else Exit.HOLDS


def alive(note: Journal) -> bool:
    """Whether the runner of a journal is still there: it has the lock, and children may have it longer."""
    return note.pid in journal.holders()


def show(note: Journal) -> list[str]:
    """What a run has taken, in lines."""
    rows = [
        f"run      {note.run_dir} (process {note.pid}): pnode {' '.join(note.argv)}",
        f"module   {note.module}",
    ]
    rows += [f"dax      {one.name}, driver before: {one.driver or 'none'}" for one in note.taken]
    return [*rows, f"settings {len(note.settings.knobs)} knobs, {len(note.settings.blocks)} memory blocks"]

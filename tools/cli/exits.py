# SPDX-License-Identifier: GPL-2.0-only
"""Exit statuses: their order is the same for every verb, what they stand for is said by each."""

import textwrap
from collections.abc import Sequence
from enum import IntEnum


class Exit(IntEnum):
    """What the process says to the shell that started it."""

    HOLDS = 0
    DEVIATES = 1
    CANNOT_RUN = 2
    INCOMPLETE = 3


class Stop(IntEnum):
    """Instead of those, where `pnode bisect --step` has no word on its commit: `git bisect run` takes 1 to
    124 for a bad commit, and stops from 128 on."""

    INTERRUPTED = 130
    ABORT = 255


STEP = "--step"
WIDTH = 110
CANNOT = "could not: bad input, or something is missing that it needs"


def statuses(holds: str, *, deviates: str = "", cannot: str = CANNOT, incomplete: str = "interrupted") -> str:
    """Return what `--help` says of a verb's statuses; one that it never ends with has no text."""
    told = zip(Exit, (holds, deviates, cannot, incomplete), strict=True)
    rows = [
        textwrap.fill(text, WIDTH, initial_indent=f"  {code:d}  ", subsequent_indent=" " * 5)
        for code, text in told
        if text
    ]
    return "\n".join(["exit status:", *rows])


#: Of verbs that have nothing more to say.
EXIT_HELP = statuses("done")
#: Of all together.
ALL_HELP = (
    statuses(
        'done, and as it should be: of a kernel, every requirement of level "must" that was tested holds',
        deviates="it is not: a kernel deviates, a run got worse, a fault was not noticed",
        cannot="could not: bad input, a missing tool, no kernel, no private nodes",
        incomplete="interrupted, or incomplete in another way; what was done is reported",
    )
    + "\n`pnode VERB --help` says it for each"
)
RUN_HELP = statuses(
    'every requirement of level "must" that was tested holds, or fails as --known says',
    deviates=(
        'a test of a "must" fails, breaks off (by a lost guest or its deadline, too) or changes its result; '
        "or the kernel died or complained between two tests"
    ),
    cannot=(
        "could not run: bad input, a missing tool, no kernel, no private nodes; or exceptions that have "
        "outlived their reason (--known), where nothing else is wrong"
    ),
    incomplete=(
        "ran incompletely: planned tests have no result (interrupted, no guest left); the rest is reported"
    ),
)


def is_step(argv: Sequence[str]) -> bool:
    """Return whether it is git that reads the status; also of words that do not parse."""
    return list(argv[:1]) == ["bisect"] and STEP in argv


def worst(codes: list[int]) -> int:
    """Return the status of several parts together: could not run, deviates, incomplete, holds.

    A deviation that was seen is final, whatever else is missing.
    """
    for code in (Exit.CANNOT_RUN, Exit.DEVIATES, Exit.INCOMPLETE):
        if code in codes:
            return code
    return Exit.HOLDS

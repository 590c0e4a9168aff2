# SPDX-License-Identifier: GPL-2.0-only
"""Exit statuses, the same for every verb."""

from enum import IntEnum


class Exit(IntEnum):
    """What the process says to the shell that started it."""

    HOLDS = 0
    DEVIATES = 1
    CANNOT_RUN = 2
    INCOMPLETE = 3


EXIT_HELP = """\
exit status:
  0  every requirement of level "must" holds (or the verb did what it was asked)
  1  a requirement of level "must" deviates
  2  could not run: bad input, a missing tool, no kernel, no private nodes; or exceptions that have outlived
     their reason (--known), where nothing else is wrong
  3  ran incompletely: guests lost, deadline passed or interrupted; the report is partial"""


def worst(codes: list[int]) -> int:
    """Return the status of several parts together: could not run, deviates, incomplete, holds.

    A deviation that was seen is final, whatever else is missing.
    """
    for code in (Exit.CANNOT_RUN, Exit.DEVIATES, Exit.INCOMPLETE):
        if code in codes:
            return code
    return Exit.HOLDS

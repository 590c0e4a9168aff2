# SPDX-License-Identifier: GPL-2.0-only
"""The name of a test in the rounds of a repeated run: `test_x~2[a]` is the second of `test_x[a]`."""

import re

__all__ = ["in_round", "without_round"]

_ROUND = re.compile(r"~\d+\Z")


def in_round(name: str, turn: int) -> str:
    """The name, without parameters, of a test function in a round from the second on."""
    return f"{name}~{turn}"


def without_round(nodeid: str) -> str:
    """The test that a nodeid means, whichever round of a repeated run it is from (fixtures/repeat.py)."""
    test, bracket, parameters = nodeid.partition("[")
    return _ROUND.sub("", test) + bracket + parameters

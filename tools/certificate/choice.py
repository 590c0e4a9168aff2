# SPDX-License-Identifier: GPL-2.0-only
"""What of pytest's arguments may have left out just the tests that fail, or made them weaker."""

import re
from collections.abc import Iterable

from helpers.stress import SECONDS

__all__ = ["choice"]

_ROUNDS_OR_ORDER = re.compile(r"--repeat=0*[1-9]\d*|--seed=-?\d+")
_RACING = re.compile(r"--stress-seconds=(\d+(?:\.\d+)?)")


def choice(words: Iterable[str]) -> list[str]:
    """Return the words but those that only ask for more: further rounds, an order, a longer chapter STR.

    ``words`` is the selection of a run-start event. Everything else counts as a choice, whatever it means.
    """
    return [word for word in words if not _asks_for_more(word)]


def _asks_for_more(word: str) -> bool:
    racing = _RACING.fullmatch(word)
    return float(racing[1]) >= SECONDS if racing else bool(_ROUNDS_OR_ORDER.fullmatch(word))

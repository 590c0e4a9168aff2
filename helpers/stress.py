# SPDX-License-Identifier: GPL-2.0-only
"""How long the chapter STR races: all of its scenes, and one of them. For the runner as for the tests."""

import argparse
import math
import re

__all__ = ["SCENES", "SECONDS", "SHRINKING", "longest", "seconds"]

#: Scenes of the chapter, which share the time.
SCENES = 14
#: Seconds for all of them together.
SECONDS = 70.0
#: Seconds for making a failing scene smaller.
SHRINKING = 40


def seconds(text: str) -> float:
    """Seconds for all scenes together: one for each at least. Raises argparse.ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not SCENES <= value < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds from {SCENES} on: {SCENES} scenes need one each"
        )
    return value


def longest(total: float | None, scene: str | None) -> int:
    """Whole seconds by which one scene is longer than it usually is: so much later a test is overdue."""
    usual = SECONDS / SCENES
    found = re.search(r"\bseconds=(\d+(?:\.\d+)?)", scene) if scene else None
    lasts = float(found[1]) if found else (total or SECONDS) / SCENES
    return math.ceil(max(lasts - usual, 0))

# SPDX-License-Identifier: GPL-2.0-only
"""Rounds: every variant once, then all of them again, so that whatever else the host does hits each alike."""

import gc
import time
from collections.abc import Callable, Mapping

#: Seconds of one run of it.
Variant = Callable[[], float]


def rounds(variants: Mapping[str, Variant], count: int) -> dict[str, list[float]]:
    """Seconds of each variant in each round; a round that nobody sees warms up caches and lists. Python
    collects no garbage meanwhile."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    gc.collect()
    gc.disable()
    try:
        for number in range(count + 1):
            for name, run in variants.items():
                seconds = run()
                if number:
                    found[name].append(seconds)
    finally:
        gc.enable()
    return found


def timed(action: Callable[[], object]) -> Variant:
    """A variant that is this action."""

    def run() -> float:
        began = time.monotonic_ns()
        action()
        return (time.monotonic_ns() - began) / 1e9

    return run

# SPDX-License-Identifier: GPL-2.0-only
"""Waiting for a state of the kernel, with a bound and a name. Never a fixed sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

from helpers.pace import scaled

T = TypeVar("T")

FIRST_PAUSE = 0.002  # seconds
LONGEST_PAUSE = 0.25


def wait_until(
    pred: Callable[[], T],
    timeout: float,
    what: str | Callable[[], str],
    *,
    pause: float = FIRST_PAUSE,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Calls pred until it is true and returns what it returned; pauses double up to a quarter second.

    timeout is in seconds of the usual machine: a slow one waits as much longer as it is slower (pace.py).

    pred is called at least once, and once more after the last pause, so that a slow machine
    cannot miss a state that holds. TimeoutError says what was waited for; `what` may be a
    function, called only then, to tell the state that was found instead.
    """
    timeout = scaled(timeout)
    start = clock()
    while True:
        value = pred()
        if value:
            return value
        waited = clock() - start
        if waited >= timeout:
            text = what() if callable(what) else what
            raise TimeoutError(f"waited {waited:.1f} s (limit {timeout:g} s) for: {text}")
        sleep(max(min(pause, timeout - waited), 0.0))
        pause = min(pause * 2, LONGEST_PAUSE)

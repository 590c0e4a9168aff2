# SPDX-License-Identifier: GPL-2.0-only
"""The end of a run: SIGINT, SIGTERM and SIGHUP end its tests, but not what is written about them."""

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

__all__ = ["SIGNALS", "Ending"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TOLD = b"pnode: the tests are over, and the reports are being written: a moment\n"


class Ending:
    """A context manager. Signals do in it what they did before, until hold(); from then on, and to the end of
    the block, all that comes of them is a line."""

    def __init__(self) -> None:
        self.came = False  # at least one of them, also before hold()
        self._held = self._spare = False
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            before = signal.getsignal(number)
            if callable(before):  # not ignored
                self._before[number] = before
                signal.signal(number, self._arrived)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def hold(self) -> None:
        """From now on nothing is interrupted."""
        self._held = True

    def attempt(self, work: Callable[[], None]) -> None:
        """Do what the reports are good without, if nobody waits for the end. A signal ends it."""
        if self.came:
            return
        try:
            self._spare = True
            work()
            self._spare = False
        except KeyboardInterrupt:  # once: the handler has seen to it
            pass

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        if not self._held:
            self._before[number](number, frame)
            return
        with contextlib.suppress(OSError):
            os.write(2, TOLD)  # sys.stderr may be in the middle of a line
        if self._spare:
            self._spare = False
            raise KeyboardInterrupt

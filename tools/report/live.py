# SPDX-License-Identifier: GPL-2.0-only
"""What the terminal shows while a run goes on.

On a terminal: counts, a bar, and each guest's running test with its seconds. Elsewhere (CI): one plain line
for each finished test, never clipped, and a heartbeat that names the running tests, so that a quiet log is a
dead run.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from tools import output
from tools.report.events import Event, Outcome
from tools.report.workers import Running

__all__ = ["HEARTBEAT", "Counting", "Live", "PlainLive", "first", "make_live", "short", "where"]

#: Seconds between two heartbeats of the plain display.
HEARTBEAT = 30.0


def make_live(stream: TextIO | None = None) -> Live:
    """The display that suits the stream (default: stdout).

    It writes to a duplicate of the file, since pytest redirects stdout while a test runs in this process, and
    never raises: that nobody reads along is no reason to end a run.
    """
    stream = stream or sys.stdout
    try:
        own = output.stream(os.dup(stream.fileno()), stream, closefd=True)
    except (OSError, ValueError, AttributeError):
        return PlainLive(stream)
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        from tools.report.terminal import TerminalLive  # late: a tenth of a second, for who has no terminal

        return TerminalLive(own)
    return PlainLive(own)


class Live:
    """A display that shows nothing, and what every display is told. Methods come from several threads."""

    def session(self, topology: str, slots: int) -> None:
        """A session starts on a topology with so many guests."""

    def plan(self, total: int) -> None:
        """So many tests will run."""

    def result(self, test: Event) -> None:
        """A test finished; `test` is its event."""

    def tick(self, running: Sequence[Running]) -> None:
        """About twice a second: the tests that run now."""

    def note(self, message: str) -> None:
        """One line about something outside a test."""

    def end(self) -> None:
        """The session is over."""


class Counting(Live):
    """What displays have in common: they count."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._reset("", 0)

    def _reset(self, topology: str, slots: int) -> None:
        self._topology, self._slots, self._total = topology, slots, 0
        self._counts: Counter[str] = Counter()

    def plan(self, total: int) -> None:
        self._total = total

    @property
    def _position(self) -> str:
        total = str(self._total or "?")
        return f"[{self._counts.total():{len(total)}}/{total}]"

    def _line(self, test: Event) -> str:
        slot = test.get("slot")
        words = [
            self._position,
            self._topology,
            f"slot{slot}" if slot is not None else "",
            f"{test['outcome']} (known)" if test.get("known") else str(test["outcome"]),
            ",".join(test.get("requirements") or ()),
            short(str(test["nodeid"])),
            f"{float(test.get('duration') or 0):.2f}s",
        ]
        return " ".join(word for word in words if word)


class PlainLive(Counting):
    """Plain lines, no escape codes."""

    def __init__(self, stream: TextIO, heartbeat: float = HEARTBEAT) -> None:
        super().__init__()
        self._stream, self._heartbeat = stream, heartbeat
        self._said = time.monotonic()

    def session(self, topology: str, slots: int) -> None:
        self._reset(topology, slots)
        self._say(f"{topology}: {slots} {'worker' if slots == 1 else 'workers'}, collecting")

    def plan(self, total: int) -> None:
        super().plan(total)
        self._say(f"{self._topology}: {total} {'test' if total == 1 else 'tests'}")

    def result(self, test: Event) -> None:
        with self._lock:
            self._counts[test["outcome"]] += 1
            self._say(self._line(test))
            if test["outcome"] != Outcome.PASS and test.get("message"):
                self._say("    " + first(str(test["message"])))

    def tick(self, running: Sequence[Running]) -> None:
        now = time.monotonic()
        if now - self._said < self._heartbeat:
            return
        lines = [f"{where(test)} {short(test.nodeid)} {now - test.since:.0f} s" for test in running]
        tests = "; ".join(lines) or "no test (a guest boots or collects)"
        self._say(f"{self._position} {self._topology} running: {tests}")

    def note(self, message: str) -> None:
        self._say(f"pnode: {self._topology}: {message}")

    def _say(self, line: str) -> None:
        with self._lock:
            self._said = time.monotonic()
            print(line, file=self._stream, flush=True)


def where(test: Running) -> str:
    """Where it runs."""
    return f"slot{test.slot}" if test.slot is not None else "here"


def short(nodeid: str) -> str:
    """Without the folder that all tests share."""
    return nodeid.removeprefix("selftests/")


def first(message: str) -> str:
    """The first line."""
    return message.partition("\n")[0]

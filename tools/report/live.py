# SPDX-License-Identifier: GPL-2.0-only
"""What the terminal shows while a run goes on.

On a terminal: counts, a bar, and each guest's running test with its seconds. Elsewhere (CI): one plain line
for each finished test, never clipped, and a heartbeat that names the running tests, so that a quiet log is a
dead run.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live as RichDisplay
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tools.report.events import Event, Outcome
from tools.report.workers import Running

__all__ = ["HEARTBEAT", "Live", "PlainLive", "TerminalLive", "make_live"]

#: Seconds between two heartbeats of the plain display.
HEARTBEAT = 30.0

_COLOURS = {Outcome.PASS: "green", Outcome.SKIP: "yellow"}


def make_live(stream: TextIO | None = None) -> Live:
    """The display that suits the stream (default: stdout).

    It writes to a duplicate of the file, since pytest redirects stdout while a test runs in this process.
    """
    stream = stream or sys.stdout
    try:
        own = os.fdopen(os.dup(stream.fileno()), "w", encoding="utf-8", errors="replace", buffering=1)
    except (OSError, ValueError, AttributeError):
        return PlainLive(stream)
    if stream.isatty() and os.environ.get("TERM") != "dumb":
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


class _Counting(Live):
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
            _short(str(test["nodeid"])),
            f"{float(test.get('duration') or 0):.2f}s",
        ]
        return " ".join(word for word in words if word)


class PlainLive(_Counting):
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
                self._say("    " + _first(str(test["message"])))

    def tick(self, running: Sequence[Running]) -> None:
        now = time.monotonic()
        if now - self._said < self._heartbeat:
            return
        lines = [f"{_where(test)} {_short(test.nodeid)} {now - test.since:.0f} s" for test in running]
        tests = "; ".join(lines) or "no test (a guest boots or collects)"
        self._say(f"{self._position} {self._topology} running: {tests}")

    def note(self, message: str) -> None:
        self._say(f"pnode: {self._topology}: {message}")

    def _say(self, line: str) -> None:
        with self._lock:
            self._said = time.monotonic()
            # The reader went away, or the disk behind it is full: no reason to end the run.
            with contextlib.suppress(OSError):
                print(line, file=self._stream, flush=True)


class TerminalLive(_Counting):
    """A bar, counts and the running tests, redrawn in place; results other than PASS stay above it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._console = Console(file=stream, highlight=False, markup=False, soft_wrap=True)
        self._running: Sequence[Running] = ()
        self._display: RichDisplay | None = None
        self._started = time.monotonic()

    def session(self, topology: str, slots: int) -> None:
        self._reset(topology, slots)
        self._started = time.monotonic()
        self._display = RichDisplay(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._display.start()

    def result(self, test: Event) -> None:
        with self._lock:
            self._counts[test["outcome"]] += 1
            if test["outcome"] != Outcome.PASS:
                self._console.print(Text(self._line(test), style=_colour(test["outcome"])))
                if test.get("message"):
                    self._console.print(Text("    " + _first(str(test["message"]))))

    def tick(self, running: Sequence[Running]) -> None:
        self._running = running

    def note(self, message: str) -> None:
        self._console.print(Text(f"pnode: {self._topology}: {message}", style="yellow"))

    def end(self) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None

    def _render(self) -> Group:
        now = time.monotonic()
        done = self._counts.total()
        head = Table.grid(padding=(0, 1))
        bar = ProgressBar(max(self._total, 1), done, width=30)
        parts: list[Any] = [Text(f"{self._topology} {self._position}"), bar]
        for outcome in Outcome:
            if self._counts[outcome]:
                parts.append(Text(f"{self._counts[outcome]} {outcome}", style=_colour(outcome)))
        parts.append(Text(f"{now - self._started:.0f} s"))
        head.add_row(*parts)
        rows = [
            Text(
                f"  {_where(test)}  {now - test.since:5.1f} s  {_short(test.nodeid)}",
                overflow="ellipsis",
                no_wrap=True,
            )
            for test in self._running
        ]
        return Group(head, *rows)


def _colour(outcome: str) -> str:
    return _COLOURS.get(Outcome(outcome), "red")


def _where(test: Running) -> str:
    return f"slot{test.slot}" if test.slot is not None else "here"


def _short(nodeid: str) -> str:
    """Without the folder that all tests share."""
    return nodeid.removeprefix("selftests/")


def _first(message: str) -> str:
    return message.partition("\n")[0]

# SPDX-License-Identifier: GPL-2.0-only
"""The display for a terminal (live.py has the others), drawn by rich."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live as RichDisplay
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tools.report.events import Event, Outcome
from tools.report.live import Counting, first, short, where
from tools.report.workers import Running

__all__ = ["TerminalLive"]

_COLOURS = {Outcome.PASS: "green", Outcome.SKIP: "yellow"}


class TerminalLive(Counting):
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
                    self._console.print(Text("    " + first(str(test["message"]))))

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
                f"  {where(test)}  {now - test.since:5.1f} s  {short(test.nodeid)}",
                overflow="ellipsis",
                no_wrap=True,
            )
            for test in self._running
        ]
        return Group(head, *rows)


def _colour(outcome: str) -> str:
    return _COLOURS.get(Outcome(outcome), "red")

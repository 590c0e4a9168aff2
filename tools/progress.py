# SPDX-License-Identifier: GPL-2.0-only
"""Progress of long steps: a bar on a terminal, else a plain line now and then."""

import sys
import time
from types import TracebackType
from typing import Protocol, Self

HEARTBEAT_SECONDS = 15.0


class Progress(Protocol):
    """What a long step tells about itself."""

    def stage(self, text: str) -> None:
        """A new step begins; its length is not known."""

    def advance(self, text: str, done: int, total: int) -> None:
        """The step is at `done` of about `total`; an estimate, so done may pass total."""


class Silent:
    """For those who do not want to know."""

    def stage(self, text: str) -> None:
        pass

    def advance(self, text: str, done: int, total: int) -> None:
        pass


class PlainProgress:
    """Lines on stderr, at most one per heartbeat within a stage."""

    def __init__(self, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._heartbeat = heartbeat
        self._spoke = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def stage(self, text: str) -> None:
        print(f"pnode: {text}", file=sys.stderr, flush=True)
        self._spoke = time.monotonic()

    def advance(self, text: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._spoke >= self._heartbeat:
            self._spoke = now
            print(f"pnode: {text}: about {percent(done, total)} %", file=sys.stderr, flush=True)


class TerminalProgress:
    """A bar that is gone when the step is done; stages stay as lines."""

    def __init__(self) -> None:
        # rich takes 0.1 s to import and is of no use without a terminal
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, visible=False)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def stage(self, text: str) -> None:
        self._bar.console.print(f"pnode: {text}", markup=False, highlight=False)
        self._bar.update(self._task, visible=False)

    def advance(self, text: str, done: int, total: int) -> None:
        self._bar.update(
            self._task, description=text, completed=min(done, total), total=max(total, 1), visible=True
        )


def percent(done: int, total: int) -> int:
    """Return whole percent; an estimate that was too low stays at 99 until the end."""
    return min(99, done * 100 // max(total, 1))


def for_terminal() -> PlainProgress | TerminalProgress:
    """Return the kind that fits stderr; a context manager."""
    return TerminalProgress() if sys.stderr.isatty() else PlainProgress()

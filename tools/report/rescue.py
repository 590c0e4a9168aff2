# SPDX-License-Identifier: GPL-2.0-only
"""What is done when a test outlives its deadline or the whole run stands still. Called in the watchdog's
thread."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from tools.report.events import RunLog
from tools.report.problems import Problems
from tools.report.workers import Running

__all__ = ["Kill", "Rescue", "kill_guest"]


class Kill(Protocol):
    """Ends the guest of a slot; with `last_words` it is first made to say what it hangs in."""

    def __call__(self, run_dir: Path, slot: int, reason: str, *, last_words: bool) -> object: ...


def kill_guest(run_dir: Path, slot: int, reason: str, *, last_words: bool) -> None:
    """End the slot's guest by the pool's own means."""
    from tools.guest.control import kill_slot  # late: a report of an old run needs no guests

    kill_slot(run_dir, slot, reason, last_words=last_words)


class Rescue:
    """Ends what hangs: the guest of a test, then the session, and as a last resort this process.

    deadline  seconds that the test of a node id may run; grace  seconds the main thread gets to react to an
              interrupt
    stuck     reports a test that hangs in this very process (nobody else could): stuck(nodeid, reason, stack)
    """

    def __init__(
        self,
        log: RunLog,
        run_dir: Path,
        problems: Problems,
        *,
        deadline: Callable[[str], float],
        grace: float,
        kill: Kill,
        stuck: Callable[[str, str, str], None],
        abort: Callable[[], None] | None,
    ) -> None:
        self.deadline, self.grace = deadline, grace
        self.ended = threading.Event()
        self._log, self._run_dir, self._problems = log, run_dir, problems
        self._kill, self._stuck, self._abort = kill, stuck, abort or self.die
        self._hangs: dict[int, str] = {}
        self._silences = 0
        self._interrupted = False
        self._lock = threading.Lock()

    def hang_of(self, slot: int | None) -> str | None:
        """Why the slot's guest was killed here, once; None when it ended otherwise."""
        with self._lock:
            return self._hangs.pop(slot, None) if slot is not None else None

    def overdue(self, running: Running, *, distributed: bool) -> None:
        """A test ran longer than its deadline."""
        reason = f"ran longer than {self.deadline(running.nodeid):g} s"
        if running.slot is not None:
            self._end_guest(running.slot, reason, running.nodeid)
        elif not distributed:
            self._stuck(running.nodeid, reason, _stack_of_main_thread())
            self._interrupt()
            timer = threading.Timer(self.grace, lambda: None if self.ended.is_set() else self._abort())
            timer.daemon = True
            timer.start()

    def give_up(self, slots: Iterable[int]) -> None:
        """The session was interrupted: end the guests, since nobody waits for what they are doing."""
        for slot in sorted(set(slots)):
            with contextlib.suppress(Exception):  # it may be gone by itself, and this is best effort
                self._kill(self._run_dir, slot, "interrupted", last_words=False)

    def silent(self, slots: Iterable[int]) -> None:
        """Nothing happened for a long time: kill the guests; next time interrupt the session; then die."""
        self._silences += 1
        guests = sorted(set(slots))
        if self._silences == 1 and guests:
            self._problems.add("guest", "nothing happened for a long time; killing the guests")
            for slot in guests:
                self._end_guest(slot, "the whole run stood still")
        elif not self._interrupted:
            self._problems.add("guest", "the run stands still; ending it")
            self._interrupt()
        else:
            self._abort()

    def die(self) -> None:
        """Report what there is and end the process: the main thread sits in the kernel and stays there."""
        from tools.report.finishing import finish

        self._problems.add("interrupted", "the main thread does not react; ending the process")
        os._exit(finish(self._run_dir, log=self._log))

    def _end_guest(self, slot: int, reason: str, nodeid: str = "") -> None:
        with self._lock:
            self._hangs[slot] = reason
        try:
            self._kill(self._run_dir, slot, f"hang: {nodeid} {reason}".replace("  ", " "), last_words=True)
        except Exception as error:  # the guest may be gone by itself; the run must go on either way
            self._problems.add("guest", f"guest slot{slot} could not be killed: {error}")

    def _interrupt(self) -> None:
        self._interrupted = True
        main = threading.main_thread().ident
        if main is not None:
            # A real signal, so that a system call that can be interrupted is.
            signal.pthread_kill(main, signal.SIGINT)


def _stack_of_main_thread() -> str:
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return "".join(traceback.format_stack(frame)) if frame is not None else ""

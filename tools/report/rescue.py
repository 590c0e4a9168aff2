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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from tools.guest.inquest import Finding
from tools.report.events import RunLog
from tools.report.problems import Problems
from tools.report.workers import Running

__all__ = ["Hang", "Inquest", "Kill", "Rescue", "kill_guest", "look_into"]


@dataclass(frozen=True)
class Hang:
    """Why a guest was ended, and on account of which test (none: the whole run stood still)."""

    nodeid: str | None
    finding: Finding


class Inquest(Protocol):
    """Finds out who hangs in the guest of a slot; None when there is no guest to ask."""

    def __call__(self, run_dir: Path, slot: int) -> Finding | None: ...


class Kill(Protocol):
    """Ends the guest of a slot; with `last_words` it is first made to say what it hangs in."""

    def __call__(self, run_dir: Path, slot: int, reason: str, *, last_words: bool) -> object: ...


def kill_guest(run_dir: Path, slot: int, reason: str, *, last_words: bool) -> None:
    """End the slot's guest by the pool's own means."""
    from tools.guest.control import kill_slot  # late: a report of an old run needs no guests

    kill_slot(run_dir, slot, reason, last_words=last_words)


def look_into(patience: float) -> Inquest:
    """An inquest by the pool's own means; a slow machine gets `patience` times the time to answer."""

    def inquest(run_dir: Path, slot: int) -> Finding | None:
        from tools.guest.inquest import examine_slot

        return examine_slot(run_dir, slot, patience)

    return inquest


class Rescue:
    """Ends what hangs: the guest of a test, then the session, and as a last resort this process.

    deadline  seconds that the test of a node id may run; grace  seconds the main thread gets to react to an
              interrupt
    inquest   finds out who hangs, before the guest is ended
    runs      whether a test still runs: it may have come to its end while others were looked into
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
        inquest: Inquest,
        runs: Callable[[Running], bool],
        stuck: Callable[[str, str, str], None],
        abort: Callable[[], None] | None,
    ) -> None:
        self.deadline, self.grace = deadline, grace
        self.ended = threading.Event()
        self._log, self._run_dir, self._problems = log, run_dir, problems
        self._kill, self._stuck, self._abort = kill, stuck, abort or self.die
        self._inquest, self._runs = inquest, runs
        self._hangs: dict[int, Hang] = {}
        self._silences = 0
        self._interrupted = False
        self._lock = threading.Lock()

    def hang_of(self, slot: int | None) -> Hang | None:
        """Why the slot's guest was ended here, once; None when it ended otherwise."""
        with self._lock:
            return self._hangs.pop(slot, None) if slot is not None else None

    def overdue(self, running: Running, *, distributed: bool) -> None:
        """A test ran longer than its deadline."""
        reason = f"ran longer than {self.deadline(running.nodeid):g} s"
        if running.slot is not None:
            # Not in the watchdog's own thread, which has others to look at.
            work = partial(self._end_guest, running.slot, reason, running)
            threading.Thread(target=work, name=f"pnode-inquest-{running.slot}", daemon=True).start()
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

    def end(self, slot: int, reason: str) -> None:
        """End the guest of a worker that is of no use any more."""
        try:
            self._kill(self._run_dir, slot, reason, last_words=False)
        except Exception as error:  # it may be gone by itself
            self._problems.add("guest", f"guest slot{slot} could not be killed: {error}")

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

    def _end_guest(self, slot: int, reason: str, running: Running | None = None) -> None:
        try:
            found = self._inquest(self._run_dir, slot) or Finding("test", "")
        except Exception as error:  # whatever it was: the guest has to be ended all the same
            found = Finding("test", f"no inquest: {type(error).__name__}: {error}")
        if running is not None and not self._runs(running):
            return
        found = replace(found, reason=f"{reason}; {found.reason}" if found.reason else reason)
        nodeid = running.nodeid if running else None
        with self._lock:
            self._hangs[slot] = Hang(nodeid, found)
        why = " ".join(word for word in ("hang:", nodeid, found.reason) if word)
        try:
            # A machine that does not answer to QMP takes no NMI either.
            self._kill(self._run_dir, slot, why, last_words=found.who != "machine")
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

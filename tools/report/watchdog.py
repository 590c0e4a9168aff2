# SPDX-License-Identifier: GPL-2.0-only
"""No run may hang: a thread on the host that looks at the clock.

The timeout inside the guest is softer (a traceback, kernel alive) and comes first. This one does not depend
on the guest: a test that outlives its deadline takes its guest with it, and a run in which nothing at all
happens is ended.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from tools.report.workers import Running, Workers

__all__ = ["Watchdog"]


class Watchdog(threading.Thread):
    """Watches the running tests. Times in seconds.

    overdue(running)  a test ran longer than its deadline(nodeid); called once for each start of a test
    silent()          nothing happened for `silence`, and once more for each further `grace` without anything
    tick(running)     about twice a second, for progress displays
    """

    def __init__(
        self,
        workers: Workers,
        *,
        deadline: Callable[[str], float],
        silence: float,
        grace: float,
        overdue: Callable[[Running], None],
        silent: Callable[[], None],
        tick: Callable[[list[Running]], None],
        interval: float = 0.5,
    ) -> None:
        super().__init__(name="pnode-watchdog", daemon=True)
        self._workers = workers
        self._deadline, self._silence, self._grace, self._interval = deadline, silence, grace, interval
        self._overdue, self._silent, self._tick = overdue, silent, tick
        self._done = threading.Event()

    def run(self) -> None:
        """Look at the clock until stop()."""
        told: set[tuple[str, float]] = set()
        stage = 0
        while not self._done.wait(self._interval):
            try:
                stage = self._look(told, stage)
            except Exception as error:  # without this thread a run could hang for ever
                print(f"pnode: watchdog: {type(error).__name__}: {error}", file=sys.stderr, flush=True)

    def _look(self, told: set[tuple[str, float]], stage: int) -> int:
        now = time.monotonic()
        running = self._workers.running()
        for test in running:
            if now - test.since > self._deadline(test.nodeid) and (test.nodeid, test.since) not in told:
                told.add((test.nodeid, test.since))
                self._overdue(test)
        quiet = now - self._workers.last_message
        if quiet < self._silence:
            stage = 0
        elif quiet >= self._silence + stage * self._grace:
            stage += 1
            self._silent()
        self._tick(running)
        return stage

    def stop(self) -> None:
        """End the thread; returns when it has ended, unless called from it."""
        self._done.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout=5)

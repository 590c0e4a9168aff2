# SPDX-License-Identifier: GPL-2.0-only
"""What went wrong outside any test, each said once."""

from __future__ import annotations

import threading

from tools.report.events import RunLog
from tools.report.live import Live

__all__ = ["Problems"]


class Problems:
    """Records problems as events and shows them. Thread-safe.

    Kinds: usage, collection (nothing can be certified), interrupted, guest, internal (results are missing).
    """

    def __init__(self, log: RunLog, live: Live, topology: str) -> None:
        self._log, self._live, self._topology = log, live, topology
        self._said: set[str] = set()
        self._lock = threading.Lock()

    def add(self, kind: str, message: str) -> None:
        """Record a problem; repetitions are dropped, since each guest finds the same broken test file."""
        with self._lock:
            if message in self._said:
                return
            self._said.add(message)
        self._log.write("problem", topology=self._topology, kind=kind, message=message)
        self._live.note(message)

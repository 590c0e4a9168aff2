# SPDX-License-Identifier: GPL-2.0-only
"""Tasks that sleep where no signal reaches them and do not get on: who has to wake them has forgotten it."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from helpers import paths

__all__ = ["STILL", "Asleep"]

#: Seconds in one and the same uninterruptible sleep after which a task is held to be lost. khungtaskd says so
#: after two minutes; the longest sleep of a scene waits for an unplug, which gives up after two seconds.
STILL = 15.0
#: Lines of its stack that are shown.
_FRAMES = 6


@dataclass
class Asleep:
    """Watches processes and their descendants. still: seconds until one is lost."""

    pids: Sequence[int]
    still: float = STILL
    _since: dict[int, tuple[int, float]] = field(default_factory=dict)  # pid -> (switches, when first seen)

    def lost(self) -> list[str]:
        """One line for each task that is lost, with where it sleeps."""
        now, asleep, found = time.monotonic(), dict[int, tuple[int, float]](), list[str]()
        for pid in self.pids:
            with suppress(psutil.Error):
                worker = psutil.Process(pid)
                for process in (worker, *worker.children(recursive=True)):
                    with suppress(psutil.Error):
                        if process.status() != psutil.STATUS_DISK_SLEEP:
                            continue
                        switches = process.num_ctx_switches().voluntary
                        before = self._since.get(process.pid)
                        since = before[1] if before and before[0] == switches else now
                        asleep[process.pid] = switches, since
                        if now - since >= self.still:
                            found.append(_line(process.pid, now - since))
        self._since = asleep
        return found


def _line(pid: int, seconds: float) -> str:
    where = "an unknown place"
    with suppress(OSError):
        where = paths.read_text(paths.PROC / str(pid) / "wchan").strip("\0\n ") or where
    with suppress(OSError):  # for root only, and with CONFIG_STACKTRACE
        # [<0>] pnt_ioctl+0x7a/0xe0 [pnode_test]
        frames = paths.read_text(paths.PROC / str(pid) / "stack").split(os.linesep)
        words = [frame.split() for frame in frames[:_FRAMES]]
        where = " < ".join(frame[1] for frame in words if len(frame) > 1) or where
    return f"process {pid} has slept for {seconds:.0f} s where nothing wakes it: {where}"

# SPDX-License-Identifier: GPL-2.0-only
"""Tasks that sleep where no signal reaches them and do not get on: who has to wake them has forgotten it."""

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
#: Who changes a cpuset waits for the kernel to move what all tasks in it have: with KASAN, for minutes.
_WAITS, _QUEUE = "__flush_workqueue", "+cpuset_migrate_mm"


@dataclass
class Asleep:
    """Watches processes and their descendants. still: seconds until one is lost."""

    pids: Sequence[int]
    still: float = STILL
    _since: dict[int, tuple[object, float]] = field(default_factory=dict)  # pid -> (_mark(), when first seen)

    def lost(self) -> list[str]:
        """One line for each task that is lost, with where it sleeps."""
        now, asleep, found = time.monotonic(), dict[int, tuple[object, float]](), list[str]()
        for pid in self.pids:
            with suppress(psutil.Error):
                worker = psutil.Process(pid)
                for process in (worker, *worker.children(recursive=True)):
                    with suppress(psutil.Error):
                        if process.status() != psutil.STATUS_DISK_SLEEP:
                            continue
                        mark = _mark(process)
                        before = self._since.get(process.pid)
                        since = before[1] if before and before[0] == mark else now
                        asleep[process.pid] = mark, since
                        if now - since >= self.still:
                            found.append(_line(process.pid, now - since))
        self._since = asleep
        return found


def _mark(process: psutil.Process) -> object:
    """What stays the same while a task does not get on, nor who works for it."""
    works = _queue_seconds() if any(_WAITS in frame for frame in _stack(process.pid)) else 0.0
    return process.num_ctx_switches().voluntary, works


def _queue_seconds() -> float:
    """CPU time of the thread that works at the queue right now."""
    for thread in psutil.process_iter():
        with suppress(psutil.Error):
            if _QUEUE in thread.name():
                return thread.cpu_times().system
    return 0.0


def _stack(pid: int) -> list[str]:
    """Functions with offsets, the innermost first. Empty but for root, and with CONFIG_STACKTRACE."""
    with suppress(OSError):
        # [<0>] pnt_ioctl+0x7a/0xe0 [pnode_test]
        frames = paths.read_text(paths.PROC / str(pid) / "stack").splitlines()
        return [words[1] for words in map(str.split, frames) if len(words) > 1]
    return []


def _line(pid: int, seconds: float) -> str:
    where = "an unknown place"
    with suppress(OSError):
        where = paths.read_text(paths.PROC / str(pid) / "wchan").strip("\0\n ") or where
    where = " < ".join(_stack(pid)[:_FRAMES]) or where
    return f"process {pid} has slept for {seconds:.0f} s where nothing wakes it: {where}"

# SPDX-License-Identifier: GPL-2.0-only
"""The record of a run: results.jsonl, one JSON object a line, in the order things happened.

Each event is appended, flushed and synced before the run goes on, so whatever was done before a kill is
there. All reports are made from this file and from nothing else. The fields of each event are described in
README.md beside this module.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

__all__ = ["SCHEMA", "Event", "Kind", "Outcome", "Recording", "RunLog", "clip", "last_line", "read"]

#: Version of the event format, in every run-start. Adding a field keeps it; changing the meaning of one
#: raises it.
SCHEMA = 1
FILE = "results.jsonl"

Event = Mapping[str, Any]


class Outcome(StrEnum):
    """What became of a test or requirement, named by who has to act."""

    PASS = "PASS"
    FAIL = "FAIL"  # the kernel is wrong
    ERROR = "ERROR"  # the test or a fixture broke: nothing is shown either way
    FLAKY = "FLAKY"  # repeated, and the results differ: shows a defect of one or the other
    MISS = "MISS"  # planned, but never finished
    KNOWN = "KNOWN"  # failed, and an exception says that this is known: a deviation all the same
    SKIP = "SKIP"  # a precondition is not met here
    NONE = "-"  # no test was selected


class Kind(StrEnum):
    """How a test failed."""

    ASSERTION = "assertion"
    EXCEPTION = "exception"
    PANIC = "panic"
    OOPS = "oops"
    TEST_HANG = "test-hang"  # past a deadline, kernel alive: ended in the guest, or with its guest
    KERNEL_HANG = "kernel-hang"  # past the deadline on the host, and the guest does not answer
    GUEST_LOST = "guest-lost"  # worker, channel or machine went away, the kernel said nothing
    SPLAT = "splat"
    INVARIANT = "invariant"


def clip(text: str, limit: int) -> str:
    """Shorten text to about `limit` characters: keeps both ends and says how much is left out."""
    if len(text) <= limit:
        return text
    head, tail = limit // 3, limit - limit // 3
    return f"{text[:head]}\n[... {len(text) - limit} characters left out ...]\n{text[-tail:]}"


def last_line(error: object) -> str:
    """The line of an exception or traceback text that says what happened, never empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _complain(line: str) -> None:
    print(f"pnode: {line}", file=sys.stderr, flush=True)


class RunLog:
    """Writes results.jsonl; safe to use from several threads.

    A full disk does not stop the run: the first failed write is reported once by `complain`, `broken` keeps
    the error, and `events` keeps everything in memory for the report on the terminal. Later events are still
    tried, since space may come back.
    """

    def __init__(
        self, path: Path, complain: Callable[[str], None] = _complain, *, alone: bool = False
    ) -> None:
        """Open for appending. Raises OSError when the file cannot be made, and with `alone`, which is for a
        run, BlockingIOError while another run writes it."""
        self.path = path
        self.broken: OSError | None = None
        self._complain = complain
        self._lock = threading.RLock()
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if alone:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the process, however it ends
            except BlockingIOError:
                os.close(self._fd)
                raise
            except OSError:  # a file system without locks: then nobody looks
                pass
        self.events: list[Event] = list(read(path).events)
        # A line cut short by a kill must not swallow the next one.
        self._torn = not _ends_with_newline(path)

    def write(self, event: str, /, **fields: object) -> Event:
        """Append one event; `time` (seconds since the epoch) is added unless given. Never raises OSError."""
        entry: dict[str, Any] = {"event": event, "time": round(time.time(), 3), **fields}
        with self._lock:
            self.events.append(entry)
            try:
                self._append(json.dumps(entry, default=str, separators=(",", ":")).encode() + b"\n")
            except OSError as error:
                if self.broken is None:
                    self.broken = error
                    name = errno.errorcode.get(error.errno or 0, "?")
                    self._complain(f"{self.path}: {name}: results are no longer recorded; the run goes on")
        return entry

    def close(self) -> None:
        """Close the file. Events written later are kept in memory only."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _append(self, line: bytes) -> None:
        if self._fd < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), str(self.path))
        rest = b"\n" + line if self._torn else line
        while rest:
            written = os.write(self._fd, rest)
            self._torn = True
            rest = rest[written:]
        self._torn = False
        os.fsync(self._fd)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Recording:
    """What a results.jsonl holds. `damaged` counts lines that are no event (cut short by a kill or a full
    disk)."""

    events: list[Event] = field(default_factory=list)
    damaged: int = 0


def read(path: Path) -> Recording:
    """Read a record; a line that was cut short is counted, not fatal. Raises OSError when the file is not
    readable."""
    events: list[Event] = []
    damaged = 0
    for line in path.read_bytes().split(b"\n"):
        if not line.strip(b" \0\r"):  # a crashed host can leave zeroes at the end
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            damaged += 1
            continue
        if isinstance(entry, dict) and isinstance(entry.get("event"), str):
            events.append(entry)
        else:
            damaged += 1
    return Recording(events, damaged)


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"

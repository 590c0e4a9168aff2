# SPDX-License-Identifier: GPL-2.0-only
"""A guest's console, cut by test while it is written, with the marks that fixtures/kernel_log.py sets.

    Console(path).follow()      read what was written since
    .part(nodeid)               where the test stands in it
    .outside()                  what the kernel said before, between and after tests, each part once

Works as well when the guest died: the last test's part is the one that never ended.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from helpers import testmarks
from helpers.kmsg import Record

__all__ = ["Console", "Part", "records"]

#: Lines of a part that are kept, the last ones: a test may fill its console.
MOST_LINES = 5000
_CHUNK = 1 << 20
#: Bytes of a line that are looked at, the last ones: a guest may write for ever without an end of line.
_LINE_MAX = 1 << 16
_STAMP = re.compile(r"^\[ *(?P<sec>\d+)\.(?P<usec>\d{6})\] ?(?:\[ *[TC]\d+\] ?)?(?P<text>.*)$")
#: Lines that user space put into the log to find its way there; no word of the kernel.
_OURS = re.compile(r"^pnode-[a-z]+: ")


@dataclass
class Part:
    """Lines of a console, counted from 1, first and last included. `test` is the name in the mark, None
    outside tests; `after` the test before then, None at boot."""

    test: str | None
    after: str | None
    first: int
    last: int
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_LINES))

    @property
    def text(self) -> str:
        """The lines that were kept."""
        return "\n".join(self.lines)


class Console:
    """Follows a file that grows. Raises nothing: a console that cannot be read is empty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._rest = b""
        self._count = 0
        self._current = Part(None, None, 1, 0)
        self._places: dict[str, tuple[int, int]] = {}
        self._outside: list[Part] = []

    def follow(self) -> None:
        """Take what was written since the last call. A line without its end is left for the next one."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                while chunk := file.read(_CHUNK):
                    self._offset += len(chunk)
                    self._take(chunk)
        except OSError:
            return

    def part(self, nodeid: str) -> tuple[int, int] | None:
        """First and last line of a test, of the last time that it ran; up to now if it has not ended. None
        when its mark is not there."""
        name = testmarks.name_of(nodeid)
        if self._current.test == name:
            return self._current.first, self._current.last
        return self._places.get(name)

    def ended(self, nodeid: str) -> bool:
        """Whether the test's part is complete."""
        return testmarks.name_of(nodeid) in self._places

    def unfinished(self) -> Part | None:
        """The part of the test that has not ended; None between two tests."""
        return self._current if self._current.test is not None else None

    def outside(self, *, final: bool = False) -> Iterator[Part]:
        """Parts outside tests that were not given before. The one that still grows counts only when nothing
        more is to come (`final`)."""
        found, self._outside = self._outside, []
        if final and self._current.test is None:
            found.append(self._current)
            self._current = Part(None, self._current.after, self._current.last + 1, self._current.last)
        return (part for part in found if part.lines)

    def _take(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line)
        self._rest = self._rest[-_LINE_MAX:]

    def _line(self, raw: bytes) -> None:
        self._count += 1
        line = raw[-_LINE_MAX:].replace(b"\r", b"").decode(errors="replace")
        started = testmarks.started_by(line) if testmarks.START in line else None
        if started is not None:
            self._close()
            self._current = Part(started, None, self._count, self._count)
        self._current.lines.append(line)
        self._current.last = self._count
        if started is None and self._current.test is not None and line.endswith(testmarks.END):
            self._close()

    def _close(self) -> None:
        part = self._current
        if part.test is None:
            self._outside.append(part)
        else:
            self._places[part.test] = part.first, part.last
        after = part.after if part.test is None else part.test
        self._current = Part(None, after, self._count + 1, self._count)


def records(part: Part) -> Iterator[Record]:
    """What the kernel said in it. Lines without a time stamp come from user space, unless the kernel stamps
    none at all."""
    stamped = [_STAMP.match(line) for line in part.lines]
    plain = not any(stamped)
    for number, (line, stamp) in enumerate(zip(part.lines, stamped, strict=True)):
        text = stamp["text"] if stamp is not None else line if plain else None
        if text is None or _OURS.match(text):
            continue
        usec = int(stamp["sec"]) * 1_000_000 + int(stamp["usec"]) if stamp is not None else 0
        yield Record(4, number, usec, text)

# SPDX-License-Identifier: GPL-2.0-only
"""The kernel log: records from a sequence number on, marks, splats.

/dev/kmsg gives every reader all records with their sequence numbers and takes nothing from
others, unlike `dmesg -C`. Source: Documentation/ABI/testing/dev-kmsg.
"""

import errno
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from helpers import paths

_RECORD_MAX = 8192  # bytes; the kernel refuses a shorter buffer with EINVAL
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


@dataclass(frozen=True)
class Record:
    """One record of the log."""

    level: int  # 0 emergency .. 7 debug
    seq: int
    usec: int  # since boot
    text: str
    facility: int = 0  # 0: written by the kernel; others come from user space

    @property
    def from_kernel(self) -> bool:
        return self.facility == 0

    def __str__(self) -> str:
        return f"[{self.usec / 1e6:12.6f}] {self.text}"


def parse_record(data: str) -> Record:
    """One read() of /dev/kmsg. ValueError on anything else."""
    prefix, separator, rest = data.partition(";")
    fields = prefix.split(",")
    if not separator or len(fields) < 3:
        raise ValueError(f"not a /dev/kmsg record: {data[:80]!r}")
    priority, seq, usec = (int(field) for field in fields[:3])
    # The text is one line with \x.. escapes; lines after it start with a space and hold device keys.
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), rest.split("\n", 1)[0])
    return Record(priority & 7, seq, usec, text, priority >> 3)


class KernelLog:
    """An own read position in the log. read() gives what came since the last read().

    KernelLog() starts at the oldest record, KernelLog.tail() after the newest. OSError when
    /dev/kmsg cannot be opened (root, or CAP_SYSLOG with dmesg_restrict).
    """

    def __init__(self) -> None:
        self._fd = os.open(paths.DEV / "kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.lost = 0  # times that the log was overwritten before it was read

    @classmethod
    def tail(cls) -> "KernelLog":
        log = cls()
        os.lseek(log._fd, 0, os.SEEK_END)
        return log

    def read(self) -> list[Record]:
        """All records since the last call, oldest first; never waits."""
        records: list[Record] = []
        while True:
            try:
                data = os.read(self._fd, _RECORD_MAX)
            except BlockingIOError:
                return records
            except OSError as error:
                if error.errno != errno.EPIPE:  # EPIPE: overwritten; the next read goes on
                    raise
                self.lost += 1
                continue
            if not data:
                return records
            records.append(parse_record(data.decode("utf-8", "replace")))

    def fileno(self) -> int:
        """For poll(): readable when there are new records."""
        return self._fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> "KernelLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def mark(text: str, level: int = 6) -> None:
    """Writes one line into the log, to find one's way in a console. Never counted as a splat.

    The file is opened for each line, since the kernel limits lines per opening. Line breaks become
    spaces.
    """
    line = " ".join(text.split("\n"))
    fd = os.open(paths.DEV / "kmsg", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, f"<{level}>{line}\n".encode())
    finally:
        os.close(fd)


# --- splats ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """One entry of splats.toml."""

    name: str
    start: re.Pattern[str]
    end: re.Pattern[str]
    report: str
    prelude: bool
    only_when_asked: bool
    detail: re.Pattern[str] | None = None  # what in the title tells splats of this kind apart
    follows: re.Pattern[str] | None = None  # titles that are consequences of an earlier splat


@dataclass(frozen=True)
class Splat:
    """One complaint of the kernel with all its lines."""

    kind: str
    seq: int  # of its first record
    title: str  # the line that says what it is
    text: str  # all lines

    def __str__(self) -> str:
        return f"{self.kind}: {self.title}"


@dataclass(frozen=True)
class Rules:
    kinds: tuple[Kind, ...]
    limit: int
    gap_usec: int


def _pattern(expressions: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{expression})" for expression in expressions), re.MULTILINE)


def load_rules(path: Path) -> Rules:
    """Reads a rules file. ValueError or KeyError on a wrong one."""
    data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {"name", "start", "end", "report", "prelude", "only_when_asked", "detail", "follows"}
    kinds = []
    for entry in data["kind"]:
        if extra := set(entry) - known:
            raise ValueError(f"{path}: kind {entry.get('name')!r} has unknown keys {sorted(extra)}")
        kinds.append(
            Kind(
                name=entry["name"],
                start=_pattern(entry["start"]),
                end=_pattern(entry["end"]),
                report=entry.get("report", entry["name"]),
                prelude=entry.get("prelude", False),
                only_when_asked=entry.get("only_when_asked", False),
                detail=re.compile(entry["detail"]) if "detail" in entry else None,
                follows=re.compile(entry["follows"]) if "follows" in entry else None,
            )
        )
    limits = data["limits"]
    return Rules(tuple(kinds), limits["records"], int(limits["gap_seconds"] * 1e6))


@cache
def rules() -> Rules:
    """The rules in splats.toml beside this file."""
    return load_rules(Path(__file__).with_name("splats.toml"))


def _kind_of(text: str, among: Iterable[Kind]) -> Kind | None:
    for kind in among:
        if kind.start.search(text):
            return kind
    return None


class _Gather:
    """A splat being put together."""

    def __init__(self, kind: Kind, record: Record) -> None:
        self.kind = kind
        self.title = record.text
        self.records = [record]

    def takes(self, kind: Kind) -> bool:
        """Is a line that could start a splat of this kind a part of the one at hand."""
        return not kind.prelude and (self.kind.prelude or kind.report == self.kind.report)

    def add(self, record: Record, kind: Kind | None) -> None:
        self.records.append(record)
        if self.kind.prelude and kind is not None:
            self.kind, self.title = kind, record.text

    def ended(self, limit: int) -> bool:
        return bool(self.kind.end.search(self.records[-1].text)) or len(self.records) >= limit

    def result(self) -> Splat:
        # A prelude that never learnt its kind (records lost, or a module's own WARN) is still a warning.
        name = "WARNING" if self.kind.prelude else self.kind.name
        lines = "\n".join(str(record) for record in self.records)
        return Splat(name, self.records[0].seq, self.title.split("\n")[0], lines)


def splats(
    records: Iterable[Record], allow: Iterable[str] = (), *, asked: Collection[str] = ()
) -> list[Splat]:
    """The kernel's complaints in these records, each with its lines up to the end of the trace.

    `allow`: regular expressions; a splat with one found anywhere in its text is left out.
    `asked`: names of kinds that are no splat by default but wanted here, e.g. ("OOM",).
    Lines from user space are never looked at.
    """
    book = rules()
    kinds = [kind for kind in book.kinds if not kind.only_when_asked or kind.name in asked]
    found: list[Splat] = []
    current: _Gather | None = None

    def close() -> None:
        nonlocal current
        if current is not None:
            found.append(current.result())
        current = None

    for record in records:
        if not record.from_kernel:
            continue
        kind = _kind_of(record.text, kinds)
        if current is not None:
            silence = record.usec - current.records[-1].usec
            if silence > book.gap_usec or (kind is not None and not current.takes(kind)):
                close()
        if current is not None:
            current.add(record, kind)
        elif kind is not None:
            current = _Gather(kind, record)
        if current is not None and current.ended(book.limit):
            close()
    close()
    allowed = list(allow)
    return [splat for splat in found if not any(found_in(splat, expression) for expression in allowed)]


def causes(found: Sequence[Splat]) -> list[Splat]:
    """Without what only follows from the splat before it, such as the panic after an oops."""
    by_name = {kind.name: kind for kind in rules().kinds}

    def follows(splat: Splat) -> bool:
        pattern = by_name[splat.kind].follows
        return pattern is not None and pattern.search(splat.title) is not None

    return [splat for number, splat in enumerate(found) if number == 0 or not follows(splat)]


def found_in(splat: Splat, expression: str) -> bool:
    """Whether a regular expression is found anywhere in a splat's text."""
    return re.search(expression, splat.text, re.MULTILINE) is not None


def warning_at(place: str) -> str:
    """Expression for found_in(): a WARN in the source file `place`, itself an expression, with or without its
    directories. Matches up to the name of the function.

    Kernels print "WARNING: CPU: 0 PID: 1 at mm/x.c:12 f+0x1/0x2", newer ones "WARNING: mm/x.c:12 at
    f+0x1/0x2, CPU#0: a/1"; some with the condition in brackets before the file (kernel/panic.c, lib/bug.c).
    """
    return rf"WARNING: (?:CPU: \d+ PID: \d+ at )?(?:\[.*\] )?(?:\S*/)?(?:{place}):\d+ (?:at )?"

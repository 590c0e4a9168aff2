# SPDX-License-Identifier: GPL-2.0-only
"""How the page says things: the word for a result, sizes, times, and text that came from a kernel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from tools.report.events import Outcome, clip
from tools.report.verdict import DEVIATIONS, TestVerdict, Verdict

__all__ = ["DEVIATION", "STATUSES", "Levels", "at", "duration", "plain", "size", "status_of"]

#: A requirement of level should that does not hold.
DEVIATION = "deviation"
#: Every word that a result can have on the page, worst first.
STATUSES = (
    *map(str, DEVIATIONS),
    str(Outcome.MISS),
    str(Outcome.KNOWN),
    DEVIATION,
    str(Outcome.SKIP),
    str(Outcome.PASS),
)

_ESCAPES = re.compile("\x1b(?:\\[[0-9;?]*[A-Za-z]|[()][A-Z0-9])")
#: What HTML does not allow, and what would let a log reorder the text around it.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def status_of(outcome: Outcome, *, should: bool) -> str:
    """The word for an outcome, given whether only requirements of level should depend on it."""
    return DEVIATION if should and outcome in DEVIATIONS else str(outcome)


class Levels:
    """Which tests and requirements are of level should, looked up once for the whole page."""

    def __init__(self, verdict: Verdict) -> None:
        self._levels: Mapping[str, str] = {row.id: row.level for row in verdict.requirements}

    def should(self, requirements: Iterable[str]) -> bool:
        """Whether all of them are of level should; False for none at all."""
        return {self._levels.get(name) for name in requirements} - {None} == {"should"}

    def status(self, test: TestVerdict) -> str:
        """The word for a test."""
        return status_of(test.outcome, should=self.should(test.requirements))


def plain(text: object, limit: int | None = None) -> str:
    """Text without colour codes and control characters, both ends of it when it is longer than `limit`."""
    clean = _UNPRINTABLE.sub("\ufffd", _ESCAPES.sub("", str(text)).replace("\r\n", "\n"))
    return clean if limit is None else clip(clean, limit)


def size(nbytes: int) -> str:
    """Bytes as "512 MiB", exact."""
    for unit, name in _UNITS:
        if nbytes >= unit and nbytes % unit == 0:
            return f"{nbytes // unit} {name}"
    return f"{nbytes} bytes"


def duration(seconds: float) -> str:
    """Seconds as "0.15 s", or "14:02 min" from two minutes on."""
    if seconds < 120:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def at(time: object) -> str:
    """Seconds since the epoch as date and time, UTC; empty for anything else."""
    if isinstance(time, bool) or not isinstance(time, int | float):
        return ""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return ""

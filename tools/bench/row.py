# SPDX-License-Identifier: GPL-2.0-only
"""A line of what was measured, for people and for programs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tools.bench import rounds
from tools.bench.rounds import Value

#: Units other than seconds: a ratio, and the power that a cost grows with.
SECONDS, TIMES, POWER = "s", "x", "power"
#: An interval of which one end is so many times the other cannot show that there is no difference.
BLURRED = 2.0
_SCALES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


@dataclass(frozen=True)
class Row:
    """One number, None where it could not be had. `target`: at most; `kept` is None when noise leaves it
    open, and without a target. `measurable`: it is kept when no more than the target is measurable.
    """

    part: str
    name: str
    value: Value | None
    unit: str
    note: str = ""
    target: float | None = None
    measurable: bool = False

    @property
    def kept(self) -> bool | None:
        if self.target is None or self.value is None:
            return None
        if self.measurable:
            if self.value.low > self.target:
                return False
            return True if self.value.high < BLURRED * self.value.low else None
        return rounds.kept(self.value, self.target)

    def document(self) -> dict[str, Any]:
        """{"part", "name", "unit", "rounds"}; "median", "low", "high", "note", "target", "kept" if any."""
        found: dict[str, Any] = {"part": self.part, "name": self.name, "unit": self.unit, "rounds": 0}
        if self.value is not None:
            numbers = {name: getattr(self.value, name) for name in ("median", "low", "high")}
            found |= {name: _rounded(number) for name, number in numbers.items()}
            found["rounds"] = self.value.rounds
        if self.note:
            found["note"] = self.note
        if self.target is not None:
            found |= {"target": self.target, "kept": self.kept}
        return found


def single(
    part: str, name: str, number: float, unit: str, note: str = "", target: float | None = None
) -> Row:
    """A number that was measured once."""
    return Row(part, name, rounds.value([number]), unit, note, target)


def render(rows: Sequence[Row], headings: dict[str, str]) -> Iterator[str]:
    """The lines of a table, part by part; `headings` says what a part is about."""
    width = max((len(row.name) for row in rows), default=0)
    for part in dict.fromkeys(row.part for row in rows):
        yield f"{part}: {headings.get(part, '')}".rstrip(": ")
        for row in rows:
            if row.part == part:
                yield _line(row, width)


def _line(row: Row, width: int) -> str:
    seen = row.value
    if seen is None:
        return f"  {row.name:<{width}} {row.note}"
    span = f"({_text(seen.low, row.unit)} to {_text(seen.high, row.unit)})" if seen.rounds > 1 else ""
    return f"  {row.name:<{width}} {_text(seen.median, row.unit):>9} {span:<24} {_remark(row)}".rstrip()


def _remark(row: Row) -> str:
    if row.target is None:
        return row.note
    told = {True: "kept", False: "NOT KEPT", None: "within the noise"}[row.kept]
    target = f"target {_text(row.target, row.unit)}: {told}"
    return f"{target}; {row.note}" if row.note else target


def _text(number: float, unit: str) -> str:
    if unit == SECONDS:
        return seconds(number)
    return f"{number:.2f}" + (" x" if unit == TIMES else "")


def seconds(number: float) -> str:
    """Three digits, in the unit that fits."""
    scale, name = next(((s, n) for s, n in _SCALES if abs(number) >= s), _SCALES[-1])
    return f"{number / scale:.3g} {name}"


def _rounded(number: float) -> float:
    return float(f"{number:.4g}")


def documents(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """All of them."""
    return [row.document() for row in rows]

# SPDX-License-Identifier: GPL-2.0-only
"""The matrix for people."""

from tools.faults import tries
from tools.faults.matrix import Fate, Matrix, Red, Row

_WIDTH = 100


def lines(matrix: Matrix) -> list[str]:
    """Return a table of all faults, what is wrong below each, that of the races, and the sum."""
    width = max((len(row.fault) for row in matrix.rows), default=0)
    out = [line for row in matrix.rows for line in _row(row, width)]
    races = tries.races(matrix.rows)
    if races:
        out += ["", *tries.lines(races)]
    return [*out, "", summary(matrix)]


def summary(matrix: Matrix) -> str:
    """Return the closing line."""
    counts = [f"{matrix.count(fate)} {fate}" for fate in Fate if matrix.count(fate) or fate is Fate.CAUGHT]
    over = sum(bool(row.over_caught) for row in matrix.rows)
    control = sum(row.control for row in matrix.rows)
    minutes, seconds = divmod(round(matrix.seconds), 60)
    return (
        f"{len(matrix.rows)} faults armed: {', '.join(counts)}; {control} control tests, "
        f"{over} faults over-caught; {minutes}:{seconds:02} min"
    )


def _row(row: Row, width: int) -> list[str]:
    caught = ", ".join(dict.fromkeys(red.part for red in row.caught_by))
    extra = [f"stayed green: {', '.join(row.green)}"] if row.green and row.caught_by else []
    extra += ["control red"] if row.over_caught else []
    extra += ["out of time"] if row.late else []
    out = [
        f"{row.fault:<{width}}  {row.fate:<8}  {'; '.join([caught, *extra]).strip('; ')}  ({row.seconds:g} s)"
    ]
    out += [_red(red) for red in row.caught_by[:1]]
    out += [_red(red, "over-caught: ") for red in row.over_caught]
    out += [f"    left behind: {what}" for what in row.unclean]
    return out + ([f"    {row.note}"] if row.note else [])


def _red(red: Red, label: str = "") -> str:
    return f"    {label}{red.test}: {red.how}"[: 2 * _WIDTH]

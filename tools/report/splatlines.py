# SPDX-License-Identifier: GPL-2.0-only
"""The splats of a run in its summary: each once, with the top of its stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from helpers.fingerprint import stack_lines
from tools.report.complaints import Complaint

__all__ = ["render"]

#: Frames shown of a splat that nobody allows; all of it is in the record, and on the console.
MOST_FRAMES = 8


def render(complaints: Sequence[Complaint]) -> Iterator[str]:
    """The whole part, with an empty line at its end; nothing where there was no splat."""
    for one in complaints:
        yield from _finding(one) if one.allowed is None else _allowed(one)
    if complaints:
        yield ""


def _finding(one: Complaint) -> Iterator[str]:
    yield f"splat {one.digest} {one.title}"
    yield f"  {_seen(one)}"
    frames = stack_lines(one.text)
    yield from (f"  | {line.strip()}" for line in frames[:MOST_FRAMES])
    if len(frames) > MOST_FRAMES:
        yield f"  | ... {len(frames) - MOST_FRAMES} more frames"


def _allowed(one: Complaint) -> Iterator[str]:
    yield f"allowed splat {one.digest} {one.place}: {one.allowed}"
    yield f"  {_seen(one)}"


def _seen(one: Complaint) -> str:
    times = "seen once, in" if one.seen == 1 else f"seen {one.seen} times, first in"
    return f"{times} {one.first}"

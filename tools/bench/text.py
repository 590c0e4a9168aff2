# SPDX-License-Identifier: GPL-2.0-only
"""A split as a table for people, and as a document for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from tools.bench.split import PHASES, Split

FILES = 10  # the most expensive ones that are listed


def document(splits: Sequence[Split]) -> dict[str, Any]:
    """{"topologies": [...]}, each with the fields of Split and its ratios. Seconds are rounded to ms."""
    return {"topologies": [_topology(split) for split in splits]}


def _topology(split: Split) -> dict[str, Any]:
    ratios = {
        "first_over_bare": split.first_over_bare,
        "efficiency": split.efficiency,
        "overhead": split.overhead,
        "median_over_work": split.median_over_work,
    }
    rounded: dict[str, Any] = _rounded({**asdict(split), "ratios": ratios})
    return rounded


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value


def render(splits: Sequence[Split]) -> str:
    """Return the whole table."""
    return "\n".join(line for split in splits for line in (*_lines(split), ""))


def _lines(split: Split) -> Iterator[str]:
    clock = _clock(split.running)
    yield f"{split.topology}: {split.tests} tests, {split.guests} guests, {clock} from plan to last result"
    if split.boot and split.boot.init:
        yield _row("bare boot", split.boot.init, "start of QEMU to init")
    if split.boot:
        how = "and until it can be used" if split.boot.init else "from a state that was kept"
        yield _row("ready", split.boot.ready, how)
        yield _row("all ready", split.boot.all, "all guests can be used")
    yield _row("collect", split.collect, "until each guest has a session")
    if split.first_verdict:
        ratio = f"; {split.first_over_bare:.1f} x the bare boot" if split.first_over_bare else ""
        yield _row("first verdict", split.first_verdict, f"start of QEMU to the first result{ratio}")
    whole = split.running * split.guests
    for name in PHASES:
        yield _row(name, split.phases[name], f"guest-seconds, {_part(split.phases[name], whole)}")
    yield _row("between tests", split.between, f"guest-seconds, {_part(split.between, whole)}")
    yield f"  a test: median {split.median:.2f} s, 95 % under {split.p95:.2f} s"
    if split.work_ms:
        work = f"{split.median_over_work:.1f} x a piece of work of {split.work_ms:.1f} ms there"
        yield f"  the median: {work}"
    yield f"  setup and teardown: {split.overhead:.2f} x the tests themselves"
    yield f"  guests in tests: {split.efficiency:.0%} of their time"
    for file in split.files[:FILES]:
        yield f"  {file.seconds:8.1f} s  {file.tests:4} tests  {file.path}"


def _row(name: str, seconds: float, what: str) -> str:
    return f"  {name:<14}{seconds:8.1f} s  {what}"


def _part(seconds: float, whole: float) -> str:
    return f"{seconds / whole:.0%}" if whole else "-"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} min"

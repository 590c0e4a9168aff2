# SPDX-License-Identifier: GPL-2.0-only
"""Reads a guest's serial console: its records, and what it died of."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_RECORD = re.compile(r"pnode-guest: (\{.*\})")
_MACHINE = re.compile(r"pnode-machine: (.*)")
_PANIC = re.compile(r"Kernel panic - not syncing: (.*)")
# What comes before a panic that oops=panic made of an oops; the text up to the line's end names it.
_OOPS = re.compile(
    r"((?:BUG: |Oops: |general protection fault|kernel BUG at |divide error|stack segment|double fault).*)"
)
# The panic that oops=panic makes of an oops; any other speaks for itself.
_FATAL = re.compile(r"not syncing: Fatal exception")
# Lines of one report between two that could begin it.
_TOGETHER = 10
_OOM = re.compile(r"(?:Out of memory|Memory cgroup out of memory): Killed process .*?(?=, anon-rss|$)", re.M)
_NMI = re.compile(r"NMI: Not continuing|NMI: Unknown")

# Enough for a panic with the backtraces of a few CPUs, and within what CI databases keep.
EXCERPT_LINES = 120
EXCERPT_BYTES = 12 << 10
# A console that a test floods: its beginning, and what came last.
_WHOLE, _HEAD, _TAIL = 8 << 20, 1 << 20, 4 << 20
# Lines shown before the first sign of trouble.
_BEFORE = 5


@dataclass(frozen=True)
class Death:
    """Why a guest ended, as its console tells: `kind` is panic, oops, nmi (panic that an injected NMI
    made), over or silent.
    """

    kind: str
    text: str
    excerpt: str


def text(path: Path) -> str:
    """The console, however broken its bytes; of a huge one both ends. Empty when there is none yet."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            data = file.read(size if size <= _WHOLE else _HEAD)
            if size > _WHOLE:
                file.seek(-_TAIL, 2)
                data += b"\n[%d MiB of the console left out]\n" % (size - _HEAD - _TAIL >> 20)
                data += file.read()
    except FileNotFoundError:
        return ""
    return data.decode(errors="replace").replace("\r", "")


def records(console: str) -> list[dict[str, Any]]:
    """What the guest's init logged, in order. A record that is cut off does not count yet."""
    found = []
    for match in _RECORD.finditer(console):
        try:
            record = json.loads(match[1])
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict) and "state" in record:
            found.append(record)
    return found


def machine(console: str) -> dict[str, Any] | None:
    """What the guest found itself to be (helpers/machine.py), None when it did not say, or not to the end."""
    pieces = [match[1] for match in _MACHINE.finditer(console)]
    try:
        found = json.loads("".join(pieces))
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def panic(console: str) -> str | None:
    """The text of a kernel panic, or None."""
    match = _PANIC.search(console)
    return match[1].strip() if match else None


def oom_kill(console: str) -> str | None:
    """The last victim of the OOM killer, as the kernel tells it, or None."""
    found = _OOM.findall(console)
    return found[-1].strip() if found else None


def last_line(console: str) -> str:
    """The last line with something on it, without its time stamp; empty when there is none."""
    lines = [line for line in console.splitlines() if line.strip()]
    return re.sub(r"^\[ *[\d.]+\] ", "", lines[-1]).strip() if lines else ""


def death(console: str) -> Death:
    """What a console says about the end of its guest."""
    lines = console.splitlines()
    stop = _first(lines, _PANIC)
    if stop is None:
        over = [record for record in records(console) if record["state"] == "over"]
        end = _excerpt(lines, len(lines) - EXCERPT_LINES // 4)
        if over:
            return Death("over", str(over[-1].get("status", "")), end)
        return Death("silent", last_line(console), end)
    reason = (_PANIC.search(lines[stop]) or [""])[0]
    oops = _oops_before(lines, stop) if _FATAL.search(lines[stop]) else None
    if oops is not None:
        reason = (_OOPS.search(lines[oops]) or [""])[0]
        return Death("oops", reason.strip(), _excerpt(lines, oops - _BEFORE))
    kind = "nmi" if _NMI.search(lines[stop]) else "panic"
    reason = reason.removeprefix("Kernel panic - not syncing: ").strip()
    return Death(kind, reason, _excerpt(lines, stop - _BEFORE))


def _oops_before(lines: list[str], stop: int) -> int | None:
    """Where the report begins that a panic is the end of. The kernel may have complained before, and have
    lived on."""
    found = [number for number, line in enumerate(lines[:stop]) if _OOPS.search(line)]
    first = found[-1] if found else None
    for number in reversed(found[:-1]):
        if first is None or first - number > _TOGETHER:
            break
        first = number
    return first


def _first(lines: list[str], pattern: re.Pattern[str]) -> int | None:
    return next((number for number, line in enumerate(lines) if pattern.search(line)), None)


def _excerpt(lines: list[str], start: int) -> str:
    start = max(0, start)
    return "\n".join(lines[start : start + EXCERPT_LINES])[:EXCERPT_BYTES]

# SPDX-License-Identifier: GPL-2.0-only
"""Taint flags of the kernel, and which new ones speak against it. The policy is data: taint.toml."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from helpers import paths

__all__ = ["Flag", "current", "describe", "findings", "load"]

FILE = Path(__file__).with_name("taint.toml")
POLICIES = ("expected", "by-splat", "finding")
_NEEDED = {"bit", "meaning", "new", "reason"}


@dataclass(frozen=True)
class Flag:
    """One entry of taint.toml. `splats`: the kinds that the kernel sets this flag with."""

    letter: str
    bit: int
    meaning: str
    new: str
    reason: str
    splats: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.letter}: {self.meaning}"


def load(path: Path = FILE) -> dict[int, Flag]:
    """Flags by bit. ValueError, with flag and key, for a wrong file."""
    flags: dict[int, Flag] = {}
    for letter, row in tomllib.loads(path.read_text(encoding="utf-8")).items():
        flag = _flag(f"{path.name}: [{letter}]", letter, row)
        if flag.bit in flags:
            raise ValueError(f"{path.name}: [{letter}] has the bit of [{flags[flag.bit].letter}]")
        flags[flag.bit] = flag
    return flags


def _flag(where: str, letter: str, row: dict[str, Any]) -> Flag:
    if extra := set(row) - _NEEDED - {"splats"}:
        raise ValueError(f"{where} has unknown keys {sorted(extra)}")
    if missing := _NEEDED - set(row):
        raise ValueError(f"{where} lacks {sorted(missing)}")
    if row["new"] not in POLICIES:
        raise ValueError(f"{where} new is {row['new']!r}, not one of {', '.join(POLICIES)}")
    if (row["new"] == "by-splat") != bool(row.get("splats")):
        raise ValueError(f"{where} needs `splats` if and only if new is by-splat")
    return Flag(letter, row["bit"], row["meaning"], row["new"], row["reason"], tuple(row.get("splats", ())))


@cache
def _flags() -> dict[int, Flag]:
    return load()


def current() -> int:
    """/proc/sys/kernel/tainted: a bit mask."""
    return paths.read_int(paths.PROC / "sys/kernel/tainted")


def describe(value: int) -> list[str]:
    """The set bits by the kernel's letter and meaning, e.g. ["W: kernel issued warning"]."""
    return [str(_flags().get(bit, f"bit {bit}: not known")) for bit in _bits(value)]


def findings(new: int, allowed: Iterable[str] = (), unallowed: Iterable[str] = ()) -> list[str]:
    """What the flags in `new` show, one line each.

    `allowed` and `unallowed` are the kinds of splats that were seen: a flag that comes with a splat is no
    finding when there was one of its kinds and all such are allowed.
    """
    good, bad = set(allowed), set(unallowed)
    found = []
    for bit in _bits(new):
        flag = _flags().get(bit)
        if flag is None:
            found.append(f"bit {bit}: not known")
            continue
        explained = good & set(flag.splats) and not bad & set(flag.splats)
        if flag.new == "finding" or (flag.new == "by-splat" and not explained):
            found.append(str(flag))
    return found


def _bits(value: int) -> list[int]:
    return [bit for bit in range(value.bit_length()) if value & (1 << bit)]

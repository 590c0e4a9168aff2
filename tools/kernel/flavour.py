# SPDX-License-Identifier: GPL-2.0-only
"""Kinds of the reference kernel: flavours.toml, and the options that each comes to."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.errors import UserError
from tools.kernel import config

FOLDER = Path(__file__).resolve().parent
FILE = "flavours.toml"
DEFAULT = "reference"
_SIZE = re.compile(r"(\d+)M")


@dataclass(frozen=True)
class Flavour:
    """One kind, and what its guests need beyond a topology's own."""

    name: str
    summary: str
    fragments: tuple[Path, ...]
    localversion: str  # end of uname -r
    boot: tuple[str, ...]  # further boot arguments
    boot_on_cxl: tuple[str, ...]  # and those of topologies whose memory is in part CXL
    more_memory: int  # bytes, for node 0
    patience: float  # how many times as long a boot may take

    def boot_arguments(self, cxl: bool) -> tuple[str, ...]:
        """Return boot arguments beyond a topology's own; the last word on an option counts."""
        return (*self.boot, *(self.boot_on_cxl if cxl else ()))

    def options(self) -> dict[str, str]:
        """Return option -> value of all fragments, the last one's word counts. Raises UserError for a bad
        line."""
        merged: dict[str, str] = {}
        for path in self.fragments:
            merged |= config.parse(path.read_text(), path.name)
        return merged


def names() -> list[str]:
    """Return the flavours there are."""
    return list(_table())


def load(name: str = DEFAULT) -> Flavour:
    """Return a flavour by name. Raises UserError for an unknown one."""
    table = _table()
    if name not in table:
        raise UserError(f"unknown flavour {name!r}; there are: {', '.join(table)}")
    row = table[name]
    size = _SIZE.fullmatch(row["more_memory"])
    if size is None:
        raise UserError(f"{FILE}: [{name}] more_memory is no size like 512M")
    return Flavour(
        name=name,
        summary=row["summary"],
        fragments=tuple(FOLDER / fragment for fragment in row["fragments"]),
        localversion=row["localversion"],
        boot=tuple(row["boot"]),
        boot_on_cxl=tuple(row["boot_on_cxl"]),
        more_memory=int(size[1]) << 20,
        patience=float(row["patience"]),
    )


def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads((FOLDER / FILE).read_text())

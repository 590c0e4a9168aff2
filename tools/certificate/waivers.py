# SPDX-License-Identifier: GPL-2.0-only
"""Waivers: requirements of level must that may deviate for a while, each with a reason, a link and an end.

[CXL-03]
reason = "The firmware's HMAT is wrong on this board; a fixed one is being tested."
link = "https://bugs.example.org/4711"
expires = 2027-03-31          # the last day on which it counts
"""

import tomllib
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self

from tools.errors import UserError

__all__ = ["Waiver", "load"]

_KEYS = ("reason", "link", "expires")


@dataclass(frozen=True)
class Waiver:
    """One requirement that is let off; `expires` is the last day."""

    requirement: str
    reason: str
    link: str
    expires: date

    def expired(self, today: date) -> bool:
        return self.expires < today

    def json(self) -> dict[str, str]:
        """As it stands in a certificate."""
        return asdict(self) | {"expires": self.expires.isoformat()}

    @classmethod
    def of(cls, entry: Mapping[str, str]) -> Self:
        """The waiver of a certificate. Raises ValueError for a bad date."""
        return cls(entry["requirement"], entry["reason"], entry["link"], date.fromisoformat(entry["expires"]))


def load(path: Path, known: Container[str], today: date) -> list[Waiver]:
    """Read a file of waivers. Raises UserError, naming file and entry, for the first that cannot stand."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--waivers {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"--waivers {path}: {error}") from None
    return [_waiver(f"--waivers {path}: [{name}]", name, row, known, today) for name, row in data.items()]


def _waiver(where: str, name: str, row: Any, known: Container[str], today: date) -> Waiver:
    if name not in known:
        raise UserError(f"{where}: no such requirement (see pnode list)")
    if not isinstance(row, dict):
        raise UserError(f"{where}: must be a table with {', '.join(_KEYS)}")
    for key in row:
        if key not in _KEYS:
            raise UserError(f"{where}: unknown key {key!r} (known: {', '.join(_KEYS)})")
    for key in ("reason", "link"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise UserError(f"{where}: {key} is missing; a waiver says why, and where that is discussed")
    if not row["link"].startswith(("https://", "http://")):
        raise UserError(f"{where}: link {row['link']!r} is no http or https link")
    expires = row.get("expires")
    if not isinstance(expires, date) or isinstance(expires, datetime):
        raise UserError(f"{where}: expires must be a date such as 2027-03-31, without quotes")
    waiver = Waiver(name, row["reason"].strip(), row["link"], expires)
    if waiver.expired(today):
        raise UserError(f"{where}: expired on {expires}; see whether {name} holds now, or extend it")
    return waiver

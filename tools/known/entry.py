# SPDX-License-Identifier: GPL-2.0-only
"""One exception, and what it is about."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from helpers import catalogue
from helpers.allowed import Allowed

__all__ = ["ALLOWED", "KNOWN", "Entry", "Match", "covers"]

KNOWN, ALLOWED = "known", "allowed"


@dataclass(frozen=True)
class Match:
    """What an exception is about: everything that is given has to fit, and one of several values is enough.

    test         node ids, see covers(); requirement: as for --req
    topology, dialect: names; release: globs for `uname -r`
    kind         of failure (known issues) or of splat (allowed splats)
    message      a regular expression, looked for in the test's message
    splat        digests of fingerprints; text: a regular expression, looked for in the whole splat
    during       when the splat was seen: test, boot, between
    """

    test: tuple[str, ...] = ()
    requirement: tuple[str, ...] = ()
    topology: tuple[str, ...] = ()
    dialect: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    message: str | None = None
    splat: tuple[str, ...] = ()
    text: str | None = None
    during: tuple[str, ...] = ()

    def place(self, topology: str, run: Mapping[str, Any]) -> bool:
        """Whether it is about this topology in this run (the event run-start)."""
        release = str((run.get("kernel") or {}).get("release") or "")
        return (
            (not self.topology or topology in self.topology)
            and (not self.dialect or run.get("dialect") in self.dialect)
            and (not self.release or any(fnmatch.fnmatchcase(release, one) for one in self.release))
        )

    def subject(self, nodeid: str, requirements: Iterable[str]) -> bool:
        """Whether it is about this test, whatever came of it."""
        ids = list(requirements)
        return (not self.test or any(covers(one, nodeid) for one in self.test)) and (
            not self.requirement
            or any(catalogue.matches(one, identifier) for one in self.requirement for identifier in ids)
        )


@dataclass(frozen=True)
class Entry:
    """An exception. `name` says where it stands, for people: "known.toml: [[known]] 2"."""

    name: str
    table: str  # known or allowed
    reason: str
    link: str
    expires: date
    match: Match
    intermittent: bool = False
    builtin: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"

    def allowed(self) -> list[Allowed]:
        """The entry as tests apply it, once for each alternative."""
        return [
            Allowed(self.name, self.reason, splat, self.match.text, kind, during)
            for splat in self.match.splat or (None,)
            for kind in self.match.kind or (None,)
            for during in self.match.during or (None,)
        ]

    def event(self) -> dict[str, Any]:
        """For the record; what is not given is left out."""
        row = asdict(self)
        row["match"] = {key: value for key, value in row["match"].items() if value}
        return row | {"expires": self.expires.isoformat()}

    @classmethod
    def from_event(cls, row: Mapping[str, Any]) -> Entry:
        """The entry as event() gave it. Raises TypeError, KeyError or ValueError on anything else."""
        match: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in row["match"].items()
        }
        return cls(**{**row, "match": Match(**match), "expires": date.fromisoformat(row["expires"])})


def covers(pattern: str, nodeid: str) -> bool:
    """Whether a pattern names a test: by its whole id, or by the folder, file, class or function it belongs
    to. `*` stands for anything."""
    if "*" in pattern:
        return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), nodeid) is not None
    return nodeid == pattern or (nodeid.startswith(pattern) and nodeid[len(pattern)] in "/:[")

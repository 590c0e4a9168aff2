# SPDX-License-Identifier: GPL-2.0-only
"""What a reader is, and what it has seen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from tools.report.verdict import Verdict

__all__ = ["NAMES", "NotThere", "Reader", "Seen", "installed"]

#: For the command line; tools/report/readers/check.py has the readers themselves, in the same order.
NAMES = ("schema", "kunit", "tap", "junit", "kcidb")


class NotThere(Exception):
    """The reader is not installed; the text says what to do."""


@dataclass
class Seen:
    """Tests, and the groups they are in, by name and with the word that the reader has for each.

    complaints  what in the file the reader had no use for, and what contradicts itself there
    """

    tests: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def test(self, name: str, word: str) -> None:
        """A test; its name must be its own."""
        if name in self.tests:
            self.complaints.append(f"{name}: there twice")
        self.tests[name] = word

    def group(self, name: str, word: str) -> None:
        """A group of tests with the word for all of them together."""
        if name in self.groups:
            self.complaints.append(f"{name}: there twice")
        self.groups[name] = word

    def count(self, what: str, claimed: object, found: int) -> None:
        """A number that the file says, and the one that was counted."""
        if claimed != found:
            self.complaints.append(f"{what}: says {claimed}, has {found}")


class Reader(ABC):
    """Reads one file of a run's directory by somebody else's means."""

    name: str  # on the command line
    file: str

    @abstractmethod
    def version(self) -> str:
        """Name and version of the program. Raises NotThere."""

    @abstractmethod
    def read(self, path: Path) -> Seen:
        """What it sees. Raises whatever the program raises on a file that it cannot read."""

    @abstractmethod
    def ours(self, verdict: Verdict) -> Seen:
        """What we mean it to see."""

    def differences(self, seen: Seen, ours: Seen) -> list[str]:
        """Where they do not agree, a line each."""
        found = list(seen.complaints)
        for what, theirs, mine in (("group ", seen.groups, ours.groups), ("", seen.tests, ours.tests)):
            found += [f"{what}{name}: {told}" for name, told in _compared(theirs, mine)]
        return found


def _compared(theirs: Mapping[str, str], ours: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    for name, word in ours.items():
        if name not in theirs:
            found.append((name, f"we say {word}, it does not see it"))
        elif theirs[name] != word:
            found.append((name, f"we say {word}, it reads {theirs[name]}"))
    found += [(name, f"it reads {word}, we have none") for name, word in theirs.items() if name not in ours]
    return found


def installed(package: str) -> str:
    """Name and version of a Python package. Raises NotThere."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        raise NotThere(f"{package} is not installed (pip install {package})") from None

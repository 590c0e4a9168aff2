# SPDX-License-Identifier: GPL-2.0-only
"""The requirements a kernel is certified against, read from selftests/catalogue/*.toml.

One file a chapter, named by the chapter in lower case (`iso.toml` holds ISO-01, ISO-02, ...). The reader is
strict: a misspelt key would silently drop an expectation, so anything unknown is an error that names the file
and the key.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.dialect import DIALECTS, SUPPORTED

__all__ = ["ID_PATTERN", "Catalogue", "CatalogueError", "Requirement", "load", "matches"]

DIRECTORY = Path(__file__).resolve().parent.parent / "selftests" / "catalogue"
ID_PATTERN = re.compile(r"[A-Z]{3}-\d{2}[a-z]?")
LEVELS = ("must", "should")
_NEEDED = ("level", "statement", "source", "expect")
_KEYS = (*_NEEDED, "no_fault")


class CatalogueError(ValueError):
    """A catalogue file is wrong; the message is one line with file, id and key."""


@dataclass(frozen=True)
class Requirement:
    """One promise of the series: what must hold, where that is said, and what each dialect of it expects."""

    id: str
    level: str
    statement: str
    source: str
    expect: Mapping[str, str] = field(hash=False)
    no_fault: str | None = None  # why no fault can turn it red

    @property
    def chapter(self) -> str:
        """The three letters before the dash."""
        return self.id[:3]

    def expected(self, dialect: str) -> str | None:
        """What this dialect expects, None where nobody has said so yet."""
        return self.expect.get(dialect)


@dataclass(frozen=True)
class Catalogue(Mapping[str, Requirement]):
    """Requirements by id, in file and row order. `hash` names this exact wording, for certificates."""

    requirements: Mapping[str, Requirement]
    hash: str

    def __getitem__(self, key: str) -> Requirement:
        return self.requirements[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.requirements)

    def __len__(self) -> int:
        return len(self.requirements)

    @property
    def chapters(self) -> list[str]:
        """Chapters that have a requirement, in order of their files."""
        return list(dict.fromkeys(requirement.chapter for requirement in self.requirements.values()))

    def select(self, selector: str) -> list[str]:
        """Ids that a selector names: `ISO`, `ISO-02` (with its split rows ISO-02a, ...), or `ISO-02a`."""
        return [name for name in self.requirements if matches(selector, name)]


def matches(selector: str, identifier: str) -> bool:
    """Whether `--req SELECTOR` covers the requirement: by chapter, by row, or by split row."""
    wanted = selector[:6].upper() + selector[6:].lower()
    return wanted in (identifier, identifier[:3], identifier[:6])


def load(directory: Path = DIRECTORY) -> Catalogue:
    """Read every chapter file; what has not changed since is parsed once. Raises CatalogueError naming file
    and key; an empty directory is an error too."""
    files = sorted(directory.glob("*.toml"))
    if not files:
        raise CatalogueError(f"{directory}: no catalogue files (*.toml)")
    digest = hashlib.sha256()
    chapters = {path: path.read_bytes() for path in files}
    for path, raw in chapters.items():
        digest.update(path.name.encode() + b"\0" + raw + b"\0")
    name = digest.hexdigest()
    if name not in _parsed:
        rows = [row for path, raw in chapters.items() for row in _chapter(path, raw)]
        _parsed[name] = Catalogue({row.id: row for row in rows}, name)
    return _parsed[name]


_parsed: dict[str, Catalogue] = {}


def _chapter(path: Path, raw: bytes) -> Iterator[Requirement]:
    if not re.fullmatch(r"[a-z]{3}", path.stem):
        raise CatalogueError(f"{path.name}: a chapter file is named by its three lower-case letters")
    try:
        data = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path.name}: {error}") from error
    for name, row in data.items():
        where = f"{path.name}: [{name}]"
        if not ID_PATTERN.fullmatch(name):
            raise CatalogueError(f"{where} is no requirement id (like ISO-02 or ISO-02a)")
        if name[:3].lower() != path.stem:
            raise CatalogueError(f"{where} belongs into {name[:3].lower()}.toml")
        if not isinstance(row, dict):
            raise CatalogueError(f"{where} must be a table")
        yield _requirement(where, name, row)


def _requirement(where: str, name: str, row: dict[str, Any]) -> Requirement:
    for key in row:
        if key not in _KEYS:
            raise CatalogueError(f"{where} unknown key {key!r} (known: {', '.join(_KEYS)})")
    for key in _NEEDED:
        if key not in row:
            raise CatalogueError(f"{where} lacks {key!r}")
    for key in ("level", "statement", "source", "no_fault"):
        if key in row and not (isinstance(row[key], str) and row[key].strip()):
            raise CatalogueError(f"{where} {key!r} must be a non-empty text")
    if row["level"] not in LEVELS:
        raise CatalogueError(f"{where} level is {row['level']!r}, not one of {', '.join(LEVELS)}")
    expect = row["expect"]
    if not isinstance(expect, dict):
        raise CatalogueError(f"{where} 'expect' must be a table keyed by dialect")
    for dialect, text in expect.items():
        if dialect not in DIALECTS:
            raise CatalogueError(
                f"{where} expect: unknown dialect {dialect!r} (known: {', '.join(DIALECTS)})"
            )
        if not isinstance(text, str) or not text.strip():
            raise CatalogueError(f"{where} expect.{dialect} must be a non-empty text")
    for dialect in SUPPORTED:
        if dialect not in expect:
            raise CatalogueError(f"{where} expect lacks the dialect {dialect!r}")
    return Requirement(
        name,
        row["level"],
        row["statement"].strip(),
        row["source"].strip(),
        dict(expect),
        row["no_fault"].strip() if "no_fault" in row else None,
    )

# SPDX-License-Identifier: GPL-2.0-only
"""Reads exceptions from TOML. Strict: an entry that does not say what its author meant would hide a failure,
or not hide it, and nobody would know."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from helpers import kmsg
from helpers.allowed import DURING
from helpers.catalogue import Catalogue
from helpers.dialect import DIALECTS
from helpers.fingerprint import DIGITS
from tools.errors import UserError
from tools.guest import topology as topologies
from tools.known.entry import ALLOWED, KNOWN, Entry, Match
from tools.paths import ROOT
from tools.report.events import Kind

__all__ = ["BUILTIN", "builtin", "gather", "load"]

#: Splats that are known wherever the suite runs.
BUILTIN = Path(__file__).with_name("environment.toml")
SUITE = "selftests/"
_NEEDED = ("reason", "link", "expires", "match")
_OPTIONAL = ("intermittent",)
_PLACE = {"topology", "dialect", "release"}
_KEYS = {
    KNOWN: _PLACE | {"test", "requirement", "kind", "message", "splat"},
    ALLOWED: _PLACE | {"kind", "splat", "text", "during"},
}
#: Without one of these an entry would be about everything.
_TELLING = {KNOWN: ("test", "requirement", "message", "splat"), ALLOWED: ("splat", "text", "kind")}
_REGULAR = ("message", "text")
_LINK = re.compile(r"https?://\S+|<?[^\s<>@]+@[^\s<>@]+>?")


def gather(paths: Iterable[Path], known: Catalogue) -> list[Entry]:
    """The entries of the files that were given, then those of the suite. Raises UserError as load() does."""
    today = datetime.now(UTC).date()
    given = [entry for path in dict.fromkeys(paths) for entry in load(path, today, known)]
    return [*given, *builtin(today, known)]


def load(path: Path, today: date, known: Catalogue) -> list[Entry]:
    """The entries of a file. Raises UserError, naming file, entry and key, for what is wrong or over."""
    entries = _read(path, known)
    over = [entry for entry in entries if entry.expires < today]
    if over:
        more = f", and {len(over) - 1} more" if len(over) > 1 else ""
        raise UserError(
            f"--known {over[0]} expired on {over[0].expires}{more}; "
            "renew it if the reason still holds, else remove it"
        )
    return entries


def builtin(today: date, known: Catalogue, path: Path = BUILTIN) -> list[Entry]:
    """The entries that come with the suite. One that is over allows nothing any more, and says nothing: that
    is for the suite's own tests."""
    return [entry for entry in _read(path, known, builtin=True) if entry.expires >= today]


def _read(path: Path, known: Catalogue, *, builtin: bool = False) -> list[Entry]:
    try:
        data = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise UserError(f"--known {path}: {error.strerror}; give a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"--known {path}: not TOML: {error}") from error
    entries: list[Entry] = []
    for table, rows in data.items():
        if table not in _KEYS:
            raise UserError(f"--known {path}: unknown table [{table}]; there are [[known]] and [[allowed]]")
        if not isinstance(rows, list):
            raise UserError(f"--known {path}: write [[{table}]], with two brackets, for each entry")
        for number, row in enumerate(rows, 1):
            name = f"{path.name}: [[{table}]] {number}"
            try:
                entries.append(_entry(name, table, row, known, builtin=builtin))
            except ValueError as error:
                raise UserError(f"--known {path}: [[{table}]] {number}: {error}") from error
    return entries


def _entry(name: str, table: str, row: Mapping[str, Any], known: Catalogue, *, builtin: bool) -> Entry:
    _check_keys("", row, (*_NEEDED, *_OPTIONAL))
    for key in _NEEDED:
        if key not in row:
            raise ValueError(f"lacks {key!r}")
    for key in ("reason", "link"):
        if not (isinstance(row[key], str) and row[key].strip()):
            raise ValueError(f"{key!r} must be a text that says something")
    if not _LINK.fullmatch(row["link"].strip()):
        raise ValueError(f"link {row['link']!r} is neither a URL nor a Message-ID")
    if not isinstance(row["expires"], date) or isinstance(row["expires"], datetime):
        raise ValueError(f"expires must be a date such as 2027-01-31, without quotes: {row['expires']!r}")
    if not isinstance(row.get("intermittent", False), bool):
        raise ValueError("intermittent must be true or false")
    if not isinstance(row["match"], dict):
        raise ValueError("match must be a table: match = { test = ..., topology = ... }")
    return Entry(
        name=name,
        table=table,
        reason=" ".join(row["reason"].split()),
        link=row["link"].strip(),
        expires=row["expires"],
        match=_match(table, row["match"], known),
        intermittent=row.get("intermittent", False),
        builtin=builtin,
    )


def _match(table: str, row: Mapping[str, Any], known: Catalogue) -> Match:
    _check_keys("match: ", row, _KEYS[table])
    if not any(key in row for key in _TELLING[table]):
        raise ValueError(f"match needs at least one of {', '.join(_TELLING[table])}")
    values: dict[str, Any] = {key: _regular(key, row[key]) for key in _REGULAR if key in row}
    lists: dict[str, Any] = {key: tuple(_texts(key, row[key])) for key in row if key not in _REGULAR}
    for identifier in lists.get("requirement", ()):
        if not known.select(identifier):
            raise ValueError(f"match: no requirement or chapter {identifier!r} (see pnode list)")
    if "test" in lists:
        lists["test"] = tuple(_test(pattern) for pattern in lists["test"])
    kinds = [str(kind) for kind in Kind] if table == KNOWN else [kind.name for kind in kmsg.rules().kinds]
    for key, there_are in (
        ("topology", [*topologies.names(), "here"]),
        ("dialect", list(DIALECTS)),
        ("kind", kinds),
        ("during", list(DURING)),
    ):
        for value in lists.get(key, ()):
            if value not in there_are:
                raise ValueError(f"match: no {key} {value!r}; there are: {', '.join(there_are)}")
    for digest in lists.get("splat", ()):
        if not re.fullmatch(rf"[0-9a-f]{{{DIGITS}}}", digest):
            raise ValueError(f"match: splat {digest!r} is no fingerprint ({DIGITS} digits, in the summary)")
    return Match(**lists, **values)


def _check_keys(where: str, row: Mapping[str, Any], there_are: Collection[str]) -> None:
    for key in row:
        if key not in there_are:
            raise ValueError(f"{where}unknown key {key!r} (there are: {', '.join(sorted(there_are))})")


def _texts(key: str, value: object) -> Iterator[str]:
    """One text, or a list of them."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError(f"match: {key} is an empty list")
    for one in values:
        if not (isinstance(one, str) and one.strip()):
            raise ValueError(f"match: {key} must be a text or a list of texts, not {one!r}")
        yield one


def _regular(key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"match: {key} must be a regular expression")
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"match: {key} {value!r} is no regular expression: {error}") from error
    return value


def _test(pattern: str) -> str:
    """The pattern as node ids begin. Raises ValueError when there is no such test: a test that was renamed
    would not be known any more, and nobody would be told."""
    whole = pattern if pattern.startswith((SUITE, "*", "guests::")) else SUITE + pattern
    if "*" in whole or whole.startswith("guests::"):
        return whole
    file, *names = whole.partition("[")[0].split("::")
    path = ROOT / file
    if not path.exists() or (names and not path.is_file()):
        raise ValueError(f"match: no test {pattern!r}: no {file}")
    if names and names[-1] not in _functions(path):
        raise ValueError(f"match: no test {pattern!r}: no {names[-1]} in {file}")
    return whole


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_bytes())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }

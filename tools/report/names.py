# SPDX-License-Identifier: GPL-2.0-only
"""Names of tests in the reports: stable, unique, and in the characters that each format's readers accept."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

__all__ = [
    "block_name",
    "chapter_of",
    "class_and_name",
    "expression",
    "ktap_names",
    "paths",
    "unique",
]

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_UNSAFE_IN_PATH = re.compile(r"[^A-Za-z0-9_-]+")
#: What `pytest -k` takes as one word.
_WORD = re.compile(r"^[\w:+\-.\[\]\\/=]+$")
_KEYWORDS = {"and", "or", "not", "true", "false", "none"}

Key = TypeVar("Key", bound=Hashable)


def chapter_of(requirements: Iterable[str], nodeid: str) -> str:
    """Chapter of a test: of its first requirement, else the folder it lies in."""
    for identifier in requirements:
        return identifier.partition("-")[0]
    head, colons, _ = nodeid.partition("::")
    return (class_and_name(nodeid)[0] if colons else head).partition(".")[0] or "tests"


def class_and_name(nodeid: str) -> tuple[str, str]:
    """Dotted path below selftests/ (with class, if any) and test name with parameters, as JUnit splits
    them."""
    head, bracket, parameters = nodeid.partition("[")
    path, *names = head.split("::")
    module = path.removeprefix("selftests/").removesuffix(".py").replace("/", ".")
    if not names:
        return "", module + bracket + parameters
    return ".".join([module, *names[:-1]]), names[-1] + bracket + parameters


def block_name(name: str) -> str:
    """The name of a topology or a chapter where tests are grouped by it, in [A-Za-z0-9_-]."""
    return _UNSAFE_IN_PATH.sub("-", name) or "none"


def ktap_names(nodeids: Iterable[str]) -> dict[str, str]:
    """A name in [A-Za-z0-9_.-] for each test. Where two would be the same, the later in order of id gets a
    number.

    Each has a dot, which no chapter's name has: one parser takes a test with the name of its block for the
    block's end.
    """
    wanted: dict[str, str] = {}
    for nodeid in sorted(set(nodeids)):
        group, name = class_and_name(nodeid)
        safe = _UNSAFE.sub("-", f"{group}.{name}".strip(".").replace("]", "")).strip("-")
        wanted[nodeid] = safe if "." in safe else f"tests.{safe}"
    return unique(wanted, ".")


def paths(nodeids: Iterable[str]) -> dict[str, str]:
    """The path of each test in a tree of tests, a.b.c with parts in [A-Za-z0-9_-], as KCIDB wants it."""
    wanted: dict[str, str] = {}
    for nodeid in sorted(set(nodeids)):
        group, name = class_and_name(nodeid)
        parts = [*(group or "tests").split("."), name]
        wanted[nodeid] = ".".join(
            _UNSAFE_IN_PATH.sub("-", part.replace("]", "")).strip("-") or "test" for part in parts
        )
    return unique(wanted, "-")


def unique(wanted: Mapping[Key, str], mark: str) -> dict[Key, str]:
    """The same names with a number, after `mark`, where one was taken by an earlier key."""
    names: dict[Key, str] = {}
    taken: set[str] = set()
    for key, base in wanted.items():
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}{mark}{number}"
        taken.add(name)
        names[key] = name
    return names


def expression(nodeid: str) -> str:
    """What to give to `-k` to select this test (and whatever else has its name in it)."""
    name = class_and_name(nodeid)[1]
    if _WORD.match(name) and name.lower() not in _KEYWORDS:
        return name
    return name.partition("[")[0]

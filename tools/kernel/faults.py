# SPDX-License-Identifier: GPL-2.0-only
"""The faults of the reference kernel: faults.toml, one table for each file below
/sys/kernel/debug/node_private/break/, and control.toml, the tests that no such fault has to do with."""

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.catalogue import Catalogue, matches
from tools.errors import UserError
from tools.kernel.recipe import HERE

FILE = HERE / "faults.toml"
CONTROL = HERE / "control.toml"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_KEYS: dict[str, type] = {
    "hook": str,
    "breaks": str,
    "turns_red": list,
    "also": list,
    "first": list,
    "crashes": bool,
    "needs": str,
    "unseen": str,
    "seconds": int,
    "sample": bool,
    "racy": bool,
}
_NEEDED = ("hook", "breaks")


@dataclass(frozen=True)
class Fault:
    """One way to break the kernel.

    turns_red  requirements that must fail while it is armed
    also       requirements or chapters that may fail as well, since they stand on the same hook
    first      parts of the names of tests to begin with, to be quick
    crashes    may crash or corrupt the kernel: it gets a guest of its own
    needs      topology that it shows on; any if empty
    unseen     why no test can notice it; turns_red is empty then
    seconds    that its tests may take, 0 for what is usual: less where the kernel comes to hang
    sample     part of the sample that a check has time for
    racy       found by chance: no single run has to notice it, but scenes of its requirements, played again
               and again with other seeds. Not among all faults; `pnode faults --racy` tells how long it takes
    """

    name: str
    hook: str
    breaks: str
    turns_red: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    crashes: bool = False
    needs: str = ""
    unseen: str = ""
    seconds: int = 0
    sample: bool = False
    racy: bool = False

    def concerns(self, requirements: Iterable[str]) -> bool:
        """Whether a test of these requirements may be red while it is armed."""
        selectors = (*self.turns_red, *self.also)
        return any(matches(selector, name) for selector in selectors for name in requirements)


def load(known: Catalogue | None = None, path: Path = FILE) -> dict[str, Fault]:
    """Return the faults by name, in the file's order. Raises UserError with one line for a mistake in it.

    `known` is the catalogue that requirements must be in; None leaves that unchecked.
    """
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path.name}: {error}") from error
    return {name: _fault(name, row, known, path.name) for name, row in table.items()}


def _fault(name: str, row: Any, known: Catalogue | None, file: str) -> Fault:
    if not _NAME.fullmatch(name):
        raise UserError(f"{file}: [{name}] is no name of a fault: small letters, digits and dashes")
    if not isinstance(row, dict):
        raise UserError(f"{file}: {name} is not a table")
    for key, value in row.items():
        if key not in _KEYS:
            raise UserError(f"{file}: [{name}] has an unknown key {key!r}; known: {', '.join(_KEYS)}")
        if type(value) is not _KEYS[key] or (isinstance(value, list) and not _words(value)):
            raise UserError(f"{file}: [{name}] {key} must be {_described(_KEYS[key])}")
    for key in _NEEDED:
        if not row.get(key):
            raise UserError(f"{file}: [{name}] lacks {key}")
    if bool(row.get("turns_red")) == bool(row.get("unseen")):
        raise UserError(
            f"{file}: [{name}] needs requirements in turns_red, or a reason in unseen; one of them"
        )
    if row.get("racy") and (row.get("sample") or row.get("unseen")):
        raise UserError(f"{file}: [{name}] is racy: it is no part of the sample, and it can be seen")
    if known is not None:
        _check_requirements(name, row, known, file)
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in row.items()
    }
    return Fault(name, **values)


def _check_requirements(name: str, row: Mapping[str, Any], known: Catalogue, file: str) -> None:
    for identifier in row.get("turns_red", ()):
        if identifier not in known:
            raise UserError(f"{file}: [{name}] turns_red {identifier!r}, which is not in the catalogue")
    for selector in row.get("also", ()):
        if not known.select(selector):
            raise UserError(f"{file}: [{name}] also {selector!r} is no requirement and no chapter")


def _words(values: Collection[Any]) -> bool:
    return all(isinstance(value, str) and value for value in values)


def _described(kind: type) -> str:
    return {str: "a string", list: "a list of strings", bool: "true or false", int: "a number"}[kind]


def control(path: Path = CONTROL) -> list[str]:
    """Return the names of the control tests. Raises UserError for a file that is not as it should be."""
    try:
        tests = tomllib.loads(path.read_text())["tests"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise UserError(f"{path.name}: {error}; it needs a list `tests`") from error
    if not isinstance(tests, list) or not _words(tests):
        raise UserError(f"{path.name}: tests must be a list of strings")
    return list(tests)

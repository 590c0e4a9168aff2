# SPDX-License-Identifier: GPL-2.0-only
"""Whether the catalogue is covered: each requirement by a test that certifies it and by a fault that turns it
red, or by a written reason why no fault can (`no_fault` in the catalogue).

Data only: who collects the tests and reads the faults hands them in.
"""

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.catalogue import Catalogue

__all__ = ["FAULTS", "Coverage", "cover", "enforced", "read_faults"]

ROOT = Path(__file__).resolve().parent.parent
#: Not in a guest: nobody breaks a kernel from inside.
FAULTS = ROOT / "tools" / "kernel" / "faults.toml"


@dataclass(frozen=True)
class Coverage:
    """What stands for each requirement, by id, and what is missing, a line each."""

    tests: Mapping[str, list[str]]
    faults: Mapping[str, list[str]]
    reasons: Mapping[str, str]
    gaps: list[str] = field(default_factory=list)


def cover(
    known: Catalogue,
    certifying: Iterable[tuple[str, Iterable[str]]],
    faults: Mapping[str, Iterable[str]] | None,
) -> Coverage:
    """Join them: `certifying` gives (test, ids), `faults` the ids that each must turn red, None where the
    faults are not at hand."""
    tests: dict[str, list[str]] = defaultdict(list)
    for test, ids in certifying:
        for identifier in ids:
            tests[identifier].append(test)
    breaking: dict[str, list[str]] = defaultdict(list)
    gaps: list[str] = []
    for name, ids in (faults or {}).items():
        for identifier in ids:
            breaking[identifier].append(name)
            if identifier not in known:
                gaps.append(f"fault {name}: requirement {identifier!r} is not in the catalogue")
    reasons = {row.id: row.no_fault for row in known.values() if row.no_fault}
    for identifier in known:
        if not tests.get(identifier):
            gaps.append(f"{identifier}: no test certifies it")
        if faults is None:
            continue
        if not breaking.get(identifier) and identifier not in reasons:
            gaps.append(f"{identifier}: no fault turns it red, and no_fault gives no reason")
        elif breaking.get(identifier) and identifier in reasons:
            gaps.append(f"{identifier}: no_fault says that there is none, {breaking[identifier][0]} is one")
    return Coverage(tests, breaking, reasons, gaps)


def read_faults(path: Path = FAULTS) -> dict[str, list[str]] | None:
    """Fault -> requirements it must turn red; None where there is no list. Raises ValueError when it is
    damaged."""
    if not path.is_file():
        return None
    table = tomllib.loads(path.read_text())
    return {
        name: list(row["turns_red"])
        for name, row in table.items()
        if isinstance(row, dict) and "turns_red" in row
    }


def enforced(path: Path = ROOT / "pyproject.toml") -> bool:
    """Whether a gap is an error: `coverage = "error"` in [tool.pnode] of pyproject.toml ("report" by
    default)."""
    return bool(tomllib.loads(path.read_text()).get("tool", {}).get("pnode", {}).get("coverage") == "error")

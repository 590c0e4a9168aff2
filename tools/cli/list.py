# SPDX-License-Identifier: GPL-2.0-only
"""pnode list: requirements, the tests that certify them, and the faults that turn them red."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers import catalogue, coverage
from helpers.dialect import DIALECTS, SUPPORTED
from tools.cli import collect
from tools.cli.exits import Exit
from tools.errors import UserError


@dataclass(frozen=True)
class Row:
    """One requirement, as printed."""

    id: str
    chapter: str
    level: str
    statement: str
    expect: dict[str, str]  # by dialect
    tests: list[str]
    faults: list[str]
    no_fault: str | None = None  # why there is none


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help='print {"requirements": [{"id", "tests", ...}]}')
    parser.add_argument(
        "--coverage", action="store_true", help="a table: requirement, its tests, its faults, and the gaps"
    )
    parser.add_argument(
        "--dialect",
        choices=list(DIALECTS),
        default=SUPPORTED[-1],
        metavar="NAME",
        help=f"whose expectations: {', '.join(DIALECTS)} (default: {SUPPORTED[-1]})",
    )
    parser.add_argument(
        "--req",
        action="append",
        default=[],
        metavar="ID",
        help="only this requirement or chapter (repeatable)",
    )


def load_faults(path: Path = coverage.FAULTS) -> dict[str, list[str]] | None:
    """Return fault -> requirements it must turn red, None without a fault list. Raises UserError."""
    try:
        return coverage.read_faults(path)
    except ValueError as error:
        raise UserError(f"{path.name}: {error}") from error


def rows(known: catalogue.Catalogue, found: coverage.Coverage, selectors: Sequence[str]) -> list[Row]:
    """Return the chosen requirements with what stands for each. Raises UserError for a selector that names
    nothing."""
    chosen = set(known) if not selectors else {name for word in selectors for name in select(known, word)}
    return [
        Row(
            row.id,
            row.chapter,
            row.level,
            row.statement,
            dict(row.expect),
            found.tests.get(row.id, []),
            found.faults.get(row.id, []),
            row.no_fault,
        )
        for row in known.values()
        if row.id in chosen
    ]


def select(known: catalogue.Catalogue, selector: str) -> list[str]:
    """Return the ids that a selector names. Raises UserError when it names none."""
    names = known.select(selector)
    if not names:
        raise UserError(f"--req {selector}: no such requirement or chapter (see pnode list)")
    return names


def load_catalogue() -> catalogue.Catalogue:
    """Read the catalogue; a broken file is the user's line, for it is data that people edit."""
    try:
        return catalogue.load()
    except catalogue.CatalogueError as error:
        raise UserError(f"catalogue: {error}") from error


def execute(args: argparse.Namespace) -> int:
    known = load_catalogue()
    for selector in args.req:
        select(known, selector)
    tests = [(test.nodeid, test.requirements) for test in collect.collect_tests()]
    joined = coverage.cover(known, tests, load_faults())
    found = rows(known, joined, args.req)
    if args.json:
        print(json.dumps({"requirements": [asdict(row) for row in found], "gaps": joined.gaps}, indent=2))
    elif args.coverage:
        print("\n".join(table(found, joined.gaps)))
    else:
        print_requirements(found, args.dialect)
    if args.coverage and joined.gaps and coverage.enforced():
        raise UserError(f"{len(joined.gaps)} gaps in the coverage, the first: {joined.gaps[0]}")
    return Exit.HOLDS


def table(found: Sequence[Row], gaps: Sequence[str]) -> Iterator[str]:
    """Yield the lines of requirement -> tests -> faults, the gaps, and how much is covered."""
    yield f"{'requirement':<12} {'level':<6} {'tests':>5} {'faults':>6}"
    for row in found:
        faults = ", ".join(row.faults) or (f"none: {row.no_fault}" if row.no_fault else "")
        yield f"{row.id:<12} {row.level:<6} {len(row.tests):>5} {len(row.faults):>6}  {faults}".rstrip()
    yield from (f"gap: {gap}" for gap in gaps)
    tested = sum(bool(row.tests) for row in found)
    broken = sum(bool(row.faults) for row in found)
    reasons = sum(row.no_fault is not None for row in found)
    yield (
        f"{len(found)} requirements: {tested} with a test, {broken} with a fault, {reasons} with a reason "
        f"for none; {len(gaps)} gaps"
    )


def print_requirements(found: Sequence[Row], dialect: str) -> None:
    """Print each requirement with what the dialect is expected to do and its tests, and the sums."""
    for row in found:
        print(f"{row.id:<8} {row.level:<6} {row.statement}")
        print(f"{'':15} expected ({dialect}): {row.expect.get(dialect, 'nobody has said')}")
        for test in row.tests:
            print(f"{'':15} {test}")
    without = sum(not row.tests for row in found)
    tests = {test for row in found for test in row.tests}
    print(f"{len(found)} requirements, {len(tests)} tests, {without} requirements without a test")
    unsaid = [row.id for row in found if dialect not in row.expect]
    if unsaid:
        print(f"{len(unsaid)} requirements say nothing about dialect {dialect}: {' '.join(unsaid)}")

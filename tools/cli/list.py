# SPDX-License-Identifier: GPL-2.0-only
"""pnode list: requirements, the tests that certify them, and the faults that turn them red."""

import argparse
import json
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers import catalogue
from helpers.dialect import DIALECTS, SUPPORTED
from tools.cli import collect
from tools.cli.exits import Exit
from tools.errors import UserError
from tools.kernel.recipe import HERE

FAULTS = HERE / "faults.toml"


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


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help='print {"requirements": [{"id", "tests", ...}]}')
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


def faults_by_requirement(path: Path = FAULTS) -> dict[str, list[str]]:
    """Return requirement -> names of the faults that must turn it red; empty without a fault list."""
    if not path.is_file():
        return {}
    found: dict[str, list[str]] = defaultdict(list)
    for name, fault in tomllib.loads(path.read_text()).items():
        for requirement in fault["turns_red"]:
            found[requirement].append(name)
    return found


def rows(
    known: catalogue.Catalogue, tests: Sequence[collect.Collected], selectors: Sequence[str]
) -> list[Row]:
    """Join catalogue, tests and faults. Raises UserError for a selector that names nothing."""
    chosen = set(known) if not selectors else {name for word in selectors for name in select(known, word)}
    certifying: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        for name in test.requirements:
            certifying[name].append(test.nodeid)
    faults = faults_by_requirement()
    return [
        Row(
            row.id,
            row.chapter,
            row.level,
            row.statement,
            dict(row.expect),
            certifying[row.id],
            faults.get(row.id, []),
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
    found = rows(known, collect.collect_tests(), args.req)
    if args.json:
        print(json.dumps({"requirements": [asdict(row) for row in found]}, indent=2))
        return Exit.HOLDS
    for row in found:
        print(f"{row.id:<8} {row.level:<6} {row.statement}")
        print(f"{'':15} expected ({args.dialect}): {row.expect.get(args.dialect, 'nobody has said')}")
        for test in row.tests:
            print(f"{'':15} {test}")
    without = sum(not row.tests for row in found)
    tests = {test for row in found for test in row.tests}
    print(f"{len(found)} requirements, {len(tests)} tests, {without} requirements without a test")
    unsaid = [row.id for row in found if args.dialect not in row.expect]
    if unsaid:
        print(f"{len(unsaid)} requirements say nothing about dialect {args.dialect}: {' '.join(unsaid)}")
    return Exit.HOLDS

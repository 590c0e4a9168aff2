# SPDX-License-Identifier: GPL-2.0-only
"""pnode report: makes the reports of a run from its record, also of a run that was killed; or has others'
programs read those that are there."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from helpers.catalogue import Catalogue
from tools.cli import faults, provenance
from tools.cli.exits import RUN_HELP
from tools.cli.list import load_catalogue
from tools.errors import UserError
from tools.faults.matrix import Matrix, recorded
from tools.kernel import faults as faults_of_kernel
from tools.known import gather
from tools.report import finish, readers, record
from tools.report.events import FILE
from tools.report.finishing import verdict_of
from tools.report.readers.record import SchemaReader


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = RUN_HELP  # of the run, that is
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of a run, such as runs/2026...")
    checking = parser.add_argument_group("instead of making them")
    checking.add_argument(
        "--check",
        action="store_true",
        help="have programs of others read the reports that are there: 0 they read what we mean, 1 not",
    )
    checking.add_argument(
        "--reader",
        action="append",
        default=[],
        choices=readers.NAMES,
        metavar="NAME",
        help=f"only with this one, and 2 when it is not installed (repeatable): {', '.join(readers.NAMES)}",
    )
    provenance.add_report_options(parser)
    parser.add_argument(
        "--known", type=Path, action="append", default=[], metavar="FILE",
        help="judge by these exceptions instead of those that the run was given (repeatable)",
    )  # fmt: skip


def execute(args: argparse.Namespace) -> int:
    if not args.run.is_dir():
        raise UserError(f"{args.run}: no directory; give that of a run, such as runs/2026...")
    events = record.load(args.run).events
    catalogue = load_catalogue()
    with record.meaning(args.run / FILE):
        matrix = recorded(events, args.run, faults_of_kernel.load(catalogue))
        if matrix is None:
            verdict_of(events, catalogue)  # before anything is written beside it
    if matrix is not None:
        return of_faults(args, matrix, catalogue)
    if not (args.check or args.reader):
        return finish(
            args.run,
            catalogue=catalogue,
            origin=args.kcidb_origin,
            files_url=args.files_url,
            exceptions=gather(args.known, catalogue) if args.known else None,
        )
    if args.kcidb_origin or args.files_url or args.known:
        raise UserError(
            "--check reads the reports as they are: --known, --kcidb-origin and --files-url make others"
        )
    return have_read(args, args.reader, catalogue)


def of_faults(args: argparse.Namespace, matrix: Matrix, catalogue: Catalogue) -> int:
    """A run that breaks the kernel on purpose: its report is the matrix, and its record is all there is to
    read."""
    if args.kcidb_origin or args.files_url or args.known:
        raise UserError(f"{args.run} is a run of pnode faults: there is no kernel to report about in it")
    if not matrix.rows:
        raise UserError(f"{args.run} is a run of pnode faults that ended before a fault was planned")
    if not (args.check or args.reader):
        return faults.report(matrix, args.run, as_json=False)
    if others := [name for name in args.reader if name != SchemaReader.name]:
        raise UserError(f"{args.run} is a run of pnode faults: it has a record only, nothing for {others[0]}")
    return have_read(args, [SchemaReader.name], catalogue)


def have_read(args: argparse.Namespace, names: Sequence[str], catalogue: Catalogue) -> int:
    """Have others read what is there, and say what came of it."""
    results = readers.check(args.run, names, catalogue)
    print("\n".join(readers.lines(results)), flush=True)
    return readers.status(results, names)

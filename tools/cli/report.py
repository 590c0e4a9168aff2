# SPDX-License-Identifier: GPL-2.0-only
"""pnode report: makes the reports of a run from its record, also of a run that was killed."""

import argparse
from pathlib import Path

from tools.cli.list import load_catalogue
from tools.errors import UserError
from tools.known import gather
from tools.report import finish
from tools.report.events import FILE


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of a run, such as runs/2026...")
    parser.add_argument(
        "--known", type=Path, action="append", default=[], metavar="FILE",
        help="judge by these exceptions instead of those that the run was given (repeatable)",
    )  # fmt: skip


def execute(args: argparse.Namespace) -> int:
    if not (args.run / FILE).is_file():
        raise UserError(f"{args.run}: no {FILE} in it; give the directory of a run")
    catalogue = load_catalogue()
    exceptions = gather(args.known, catalogue) if args.known else None
    return finish(args.run, catalogue=catalogue, exceptions=exceptions)

# SPDX-License-Identifier: GPL-2.0-only
"""pnode report: makes the reports of a run from its record, also of a run that was killed."""

import argparse
from pathlib import Path

from tools.cli.list import load_catalogue
from tools.errors import UserError
from tools.report import finish
from tools.report.events import FILE


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of a run, such as runs/2026...")


def execute(args: argparse.Namespace) -> int:
    if not (args.run / FILE).is_file():
        raise UserError(f"{args.run}: no {FILE} in it; give the directory of a run")
    return finish(args.run, catalogue=load_catalogue())

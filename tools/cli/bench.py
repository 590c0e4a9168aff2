# SPDX-License-Identifier: GPL-2.0-only
"""pnode bench: where the time of a run went, from its record."""

import argparse
import json
from pathlib import Path

from tools.bench import split, text
from tools.cli.exits import Exit
from tools.errors import UserError
from tools.report.events import FILE, read


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of a run, finished or not")
    parser.add_argument("--json", action="store_true", help="print it as JSON (tools/bench/README.md)")


def execute(args: argparse.Namespace) -> int:
    record = args.run / FILE
    if not record.is_file():
        raise UserError(f"{args.run}: no run, it has no {FILE}; name a directory that `pnode run` has made")
    found = split.splits(read(record).events)
    if not found:
        raise UserError(f"{record}: no topology got as far as its tests, there is nothing to measure")
    print(json.dumps(text.document(found), indent=1) if args.json else text.render(found).rstrip())
    return Exit.HOLDS

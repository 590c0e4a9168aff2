# SPDX-License-Identifier: GPL-2.0-only
"""pnode topology: draws a kind of guest, or what the guests of a run found themselves to be."""

import argparse
import sys
from pathlib import Path

from tools.cli.exits import Exit
from tools.errors import UserError
from tools.guest import picture
from tools.guest import topology as topologies
from tools.report import record
from tools.report.events import FILE
from tools.report.outcomes import named


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        metavar="NAME|RUN",
        help="a topology, or the directory of a run (default: list the topologies)",
    )


def execute(args: argparse.Namespace) -> int:
    if args.what is None:
        width = max(map(len, topologies.names()))
        for name in topologies.names():
            print(f"{name:<{width}}  {topologies.load(name).summary}")
    elif args.what in topologies.names():
        picture.draw(picture.of_topology(topologies.load(args.what)), sys.stdout)
    elif Path(args.what, FILE).is_file():
        draw_run(Path(args.what))
    else:
        raise UserError(
            f"{args.what}: neither a topology ({', '.join(topologies.names())}) nor a run with a {FILE}"
        )
    return Exit.HOLDS


def draw_run(run: Path) -> None:
    """Draw what the first guest of each topology said. Raises UserError when none did."""
    seen = set()
    for machine in named(record.load(run).events, "machine"):
        with record.meaning(run):
            name, drawn = machine["topology"], picture.of_machine(machine)
        if name not in seen:
            seen.add(name)
            picture.draw(drawn, sys.stdout)
    if not seen:
        raise UserError(f"{run}: no guest has said what it is (an older pnode, or none came up)")

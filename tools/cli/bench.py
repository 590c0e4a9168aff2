# SPDX-License-Identifier: GPL-2.0-only
"""pnode bench: what the suite costs, measured now; or where the time of a run went, from its record."""

import argparse
import json
import time
from pathlib import Path

from tools.bench import data, measure, row, split, text
from tools.cli import session, subject
from tools.cli.exits import Exit, statuses
from tools.cli.version import suite_version
from tools.doctor import packages
from tools.errors import UserError
from tools.kernel import flavour
from tools.report import record


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = statuses("measured", cannot="could not, or not everything: what was measured is printed")
    parser.add_argument(
        "run", nargs="?", type=Path, metavar="RUN",
        help="directory of a run, finished or not: tell where its time went, and measure nothing",
    )  # fmt: skip
    parser.add_argument(
        "--part", action="append", default=[], choices=measure.PARTS, metavar="NAME",
        help=f"measure only this (repeatable): {', '.join(measure.PARTS)}",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print it as JSON (tools/bench/README.md)")


def execute(args: argparse.Namespace) -> int:
    if args.run is None:
        return measured(args)
    if args.part:
        raise UserError(f"bench {args.run}: --part is for what is measured; a run has its record")
    events = record.load(args.run).events
    with record.meaning(args.run):
        found = split.splits(events)
    if not found:
        raise UserError(f"{args.run}: no topology got as far as its tests, there is nothing to measure")
    print(json.dumps(text.document(found), indent=1) if args.json else text.render(found).rstrip())
    return Exit.HOLDS


def measured(args: argparse.Namespace) -> int:
    """Measure now, on the reference kernel. What was measured is printed, also when it was cut short."""
    wanted = data.load()
    packages.require(["qemu", "compiler"])
    kernel = subject.reference(flavour.load())
    bench = measure.Bench(kernel, wanted, session.say)
    began = time.monotonic()
    done = False
    try:
        done = bench.run(args.part or measure.PARTS)
    finally:
        took = time.monotonic() - began
        if args.json:
            found = {
                "suite": suite_version(),
                "kernel": kernel.event(),
                "seconds": round(took, 1),
                "rows": row.documents(bench.rows),
            }
            print(json.dumps(found, indent=1), flush=True)
        elif bench.rows:
            print("\n".join(row.render(bench.rows, measure.HEADINGS)), flush=True)
            print(f"{len(bench.rows)} rows of {kernel.release}, measured in {took:.0f} s", flush=True)
    return Exit.HOLDS if done else Exit.CANNOT_RUN

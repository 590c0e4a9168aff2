# SPDX-License-Identifier: GPL-2.0-only
"""pnode faults: breaks the kernel hook by hook, and shows which tests notice."""

import argparse
import json
import sys
from pathlib import Path

from tools.cli import subject
from tools.cli.arguments import positive
from tools.cli.exits import Exit
from tools.cli.list import load_catalogue, select
from tools.doctor import packages
from tools.errors import UserError
from tools.faults import plan, session, show
from tools.faults.matrix import Fate, Matrix
from tools.kernel import faults as data
from tools.kernel import flavour


def configure(parser: argparse.ArgumentParser) -> None:
    kernel = parser.add_argument_group(
        "which kernel, with CONFIG_NODE_PRIVATE_BREAK (default: the reference one)"
    )
    kernel.add_argument("--kernel", type=Path, metavar="BZIMAGE", help="somebody's kernel; needs --build")
    kernel.add_argument("--build", type=Path, metavar="DIR", help="where it was built")
    what = parser.add_argument_group("which faults (default: a sample of a few minutes)")
    what.add_argument("--fault", action="append", default=[], metavar="NAME", help="this one (repeatable)")
    what.add_argument("--all", action="store_true", help="every one")
    parser.add_argument(
        "--by", action="append", default=[], metavar="ID",
        help="by the tests of these requirements, in this order, in place of those that have to notice",
    )  # fmt: skip
    parser.add_argument(
        "--stress-seed", type=int, default=1, metavar="N", help="other scenes for the chapter STR (with --by)"
    )
    parser.add_argument(
        "--catch",
        choices=("first", "all"),
        default="first",
        help="go on until one requirement of a fault is red, or until each is (default: first)",
    )
    parser.add_argument("--guests", type=positive, metavar="N", help="guests at a time")
    parser.add_argument("--json", action="store_true", help="print the matrix as JSON")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the run's directory goes (default: runs)"
    )


def execute(args: argparse.Namespace) -> int:
    known = load_catalogue()
    if args.fault and args.all:
        raise UserError("--fault and --all exclude each other")
    chosen = plan.choose(data.load(known), args.fault, args.all)
    if args.by:
        chosen = plan.by(chosen, [name for selector in args.by for name in select(known, selector)])
    given = subject.check_paths(args.kernel, args.build)
    packages.require(["qemu"])
    kernel = given or subject.reference(flavour.load())
    result, run_dir = session.run(
        chosen,
        kernel,
        known,
        guests=args.guests,
        every=args.catch == "all",
        output=args.output,
        argv=sys.argv[1:],
        words=(f"--stress-seed={args.stress_seed}", "--stress-shrink=0"),
    )
    return report(result, run_dir, as_json=args.json)


def check(*, guests: int | None = None, output: Path | None = None) -> tuple[Matrix, Path]:
    """Arm the sample on the reference kernel: what a check has time for. Raises UserError."""
    known = load_catalogue()
    chosen = plan.choose(data.load(known), (), everything=False)
    return session.run(
        chosen, subject.reference(flavour.load()), known, guests=guests, output=output, argv=["faults"]
    )


def report(result: Matrix, run_dir: Path, *, as_json: bool) -> int:
    """Print the matrix; return the exit status."""
    if as_json:
        rows = [row.json() for row in result.rows]
        print(json.dumps({"good": result.good, "seconds": result.seconds, "faults": rows}, indent=2))
    else:
        print("\n".join(show.lines(result)))
        print(f"results: {run_dir}", flush=True)
    if result.good:
        return Exit.HOLDS
    if result.rows and result.count(Fate.ABSENT) == len(result.rows):
        raise UserError("this kernel has none of these faults; it needs CONFIG_NODE_PRIVATE_BREAK")
    return Exit.INCOMPLETE if result.count(Fate.LOST) else Exit.DEVIATES

# SPDX-License-Identifier: GPL-2.0-only
"""pnode faults: breaks the kernel hook by hook, and shows which tests notice."""

import argparse
import json
import sys
from pathlib import Path

from tools.cli import subject
from tools.cli.arguments import positive
from tools.cli.exits import Exit, statuses
from tools.cli.list import load_catalogue, select
from tools.doctor import packages
from tools.errors import UserError
from tools.faults import plan, session, show, tries
from tools.faults.matrix import Fate, Matrix
from tools.faults.tries import Trying
from tools.kernel import faults as data
from tools.kernel import flavour
from tools.kernel.faults import Fault


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = statuses(
        "every fault was caught by a test that has to notice it, and nothing else was red (races: found in "
        "half of their tries)",
        deviates="a fault survived, was not proved, was not tested, or a control test was red",
        incomplete="interrupted, or a fault has no result: its guest was lost",
    )
    kernel = parser.add_argument_group(
        "which kernel, with CONFIG_NODE_PRIVATE_BREAK (default: the reference one)"
    )
    kernel.add_argument("--kernel", type=Path, metavar="BZIMAGE", help="somebody's kernel; needs --build")
    kernel.add_argument("--build", type=Path, metavar="DIR", help="where it was built")
    what = parser.add_argument_group("which faults (default: a sample of a few minutes)")
    what.add_argument("--fault", action="append", default=[], metavar="NAME", help="this one (repeatable)")
    what.add_argument("--all", action="store_true", help="every one that a single run has to notice")
    what.add_argument(
        "--racy", action="store_true",
        help="the races, of which a run may notice nothing: how long does it take to find each?",
    )  # fmt: skip
    race = parser.add_argument_group("races (with --racy, or --fault and the name of one)")
    race.add_argument("--tries", type=positive, metavar="N", help=f"for each (default: {tries.TRIES})")
    race.add_argument(
        "--race-seconds", type=positive, metavar="N",
        help=f"of racing, until a try is given up (default: {tries.SECONDS:g})",
    )  # fmt: skip
    parser.add_argument(
        "--by", action="append", default=[], metavar="ID",
        help="by the tests of these requirements, in this order, in place of those that have to notice",
    )  # fmt: skip
    parser.add_argument(
        "--stress-seed", type=positive, default=1, metavar="N",
        help="other scenes for the chapter STR (with --by, and for races)",
    )  # fmt: skip
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
    if (bool(args.fault) or args.racy) and args.all:
        raise UserError("--all excludes --fault and --racy")
    faults = data.load(known)
    chosen = tries.choose(faults, args.fault) if args.racy else plan.choose(faults, args.fault, args.all)
    trying = _trying(args, chosen)
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
        trying=trying,
    )
    return report(result, run_dir, as_json=args.json)


def _trying(args: argparse.Namespace, chosen: list[Fault]) -> Trying | None:
    """How races are tried, None where there are none. Raises UserError for a mixture."""
    racy = [fault.name for fault in chosen if fault.racy]
    if not racy:
        if args.tries or args.race_seconds:
            raise UserError("--tries and --race-seconds are for races: give --racy, or the name of one")
        return None
    if len(racy) < len(chosen):
        raise UserError(f"--fault {racy[0]}: a race, which is tried apart from faults that every run notices")
    return Trying(args.tries or tries.TRIES, args.race_seconds or tries.SECONDS, args.stress_seed)


def check(*, guests: int | None = None, output: Path | None = None) -> tuple[Matrix, Path]:
    """Arm the sample on the reference kernel: what a check has time for. Raises UserError."""
    known = load_catalogue()
    chosen = plan.choose(data.load(known), (), everything=False)
    return session.run(
        chosen, subject.reference(flavour.load()), known, guests=guests, output=output, argv=["faults"]
    )


def report(result: Matrix, run_dir: Path, *, as_json: bool) -> int:
    """Print the matrix; return the exit status."""
    races = tries.races(result.rows)
    good = all(race.good for race in races) if races else result.good
    if as_json:
        rows = [row.json() for row in result.rows]
        told = {"good": good, "seconds": result.seconds, "faults": rows}
        if races:
            told["races"] = [race.json() for race in races]
        print(json.dumps(told, indent=2))
    else:
        print("\n".join(show.lines(result)))
        print(f"results: {run_dir}", flush=True)
    if good:
        return Exit.HOLDS
    if result.rows and result.count(Fate.ABSENT) == len(result.rows):
        raise UserError("this kernel has none of these faults; it needs CONFIG_NODE_PRIVATE_BREAK")
    return Exit.INCOMPLETE if result.count(Fate.LOST) else Exit.DEVIATES

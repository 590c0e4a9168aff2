# SPDX-License-Identifier: GPL-2.0-only
"""pnode chaos: misbehaving tests, guests and hosts; is each attributed to its test, and is nothing lost?"""

import argparse
import json
import random
from pathlib import Path

from tools.chaos import data, plan, runner, scenario, seen
from tools.chaos.runner import Series
from tools.cli import rundir, session, subject
from tools.cli.arguments import positive
from tools.cli.exits import Exit, statuses
from tools.doctor import packages
from tools.errors import UserError
from tools.kernel import flavour

COUNT = 20
GUESTS = 2
SAMPLE_SEED = 0  # a check does the same every time


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = statuses(
        "each fault was told as what it was, and no result was lost", deviates="one was not, or one was"
    )
    kernel = parser.add_argument_group("which kernel (default: the reference kernel)")
    kernel.add_argument("--kernel", type=Path, metavar="BZIMAGE", help="somebody's kernel; needs --build")
    kernel.add_argument("--build", type=Path, metavar="DIR", help="where it was built")
    what = parser.add_argument_group("which faults")
    what.add_argument(
        "--count", type=positive, metavar="N",
        help=f"draw N at random, of those that are named if any are (default: {COUNT} of all)",
    )  # fmt: skip
    what.add_argument("--seed", type=int, metavar="S", help="draw the same ones again")
    what.add_argument("--each", action="store_true", help="each one once, in random order")
    what.add_argument("--sample", action="store_true", help="one of each kind, always the same ones")
    what.add_argument("--fault", action="append", default=[], metavar="NAME", help="this one (repeatable)")
    what.add_argument("--list", action="store_true", help="show what there is, and inject nothing")
    parser.add_argument(
        "--guests", type=positive, default=GUESTS, metavar="N", help=f"guests at a time (default: {GUESTS})"
    )
    parser.add_argument(
        "--per-session", type=positive, default=plan.PER_SESSION, metavar="N", help="faults in one session"
    )
    parser.add_argument(
        "--sum",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="show one table of several series, and inject nothing",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the run's directory goes (default: runs)"
    )


def execute(args: argparse.Namespace) -> int:
    known = data.load()
    if args.list:
        width = max(map(len, known))
        for fault in known.values():
            print(f"{fault.name:<{width}}  {fault.expected:<18}  {fault.does}")
        return Exit.HOLDS
    if args.sum:
        return report(runner.together(args.sum), as_json=args.json)
    if sum(map(bool, (args.fault, args.each, args.sample))) > 1:
        raise UserError("--fault, --each and --sample exclude each other")
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
    able = scenario.possible(list(known.values()), session.say)
    if args.count and (args.each or args.sample):
        raise UserError("--count draws at random: --each and --sample say which ones themselves")
    if args.fault:
        named = data.choose(known, args.fault)
        faults = plan.draw(named, args.count or len(named), seed)
    elif args.sample:
        faults = [fault for fault in able if fault.sample]
    else:
        faults = plan.draw(able, len(able) if args.each else args.count or COUNT, seed)
    given = subject.check_paths(args.kernel, args.build)
    packages.require(["qemu"])
    where = runner.machine(given or subject.reference(flavour.load()), args.guests)
    session.say(f"{len(faults)} faults, seed {seed}")
    with rundir.new(args.output) as run_dir:
        series = runner.run(faults, where, run_dir, seed, per_session=args.per_session, told=session.say)
    status = report(series, as_json=args.json)
    if not args.json:
        print(f"results: {run_dir}", flush=True)
    return status


def check(*, guests: int | None = None, output: Path | None = None) -> tuple[Series, Path]:
    """Inject the sample into runs of the reference kernel: what a check has time for. Raises UserError."""
    faults = [fault for fault in data.load().values() if fault.sample]
    where = runner.machine(subject.reference(flavour.load()), guests or GUESTS)
    with rundir.new(output) as run_dir:
        return runner.run(faults, where, run_dir, SAMPLE_SEED, told=session.say), run_dir


def report(series: Series, *, as_json: bool) -> int:
    """Print the table; return the exit status."""
    if as_json:
        print(json.dumps(series.summary(), indent=2), flush=True)
    else:
        print("\n".join(seen.lines(series.rows, series.seconds, series.seeds)), flush=True)
    if not series.good and series.rows:
        return Exit.DEVIATES
    return Exit.INCOMPLETE if series.stopped or not series.rows else Exit.HOLDS

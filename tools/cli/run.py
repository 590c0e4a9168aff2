# SPDX-License-Identifier: GPL-2.0-only
"""pnode run: certifies a kernel. Says no to bad input before anything long begins."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers import stress
from tools.cli import kernel as kernel_verb
from tools.cli import machines, main, provenance, resume
from tools.cli.arguments import positive
from tools.cli.certify import DEADLINE, Request, certify, only_plan
from tools.cli.exits import RUN_HELP, Exit
from tools.cli.here import Wish
from tools.errors import UserError
from tools.guest import topology
from tools.guest.steal import MOST
from tools.kernel.flavour import DEFAULT
from tools.report.kcidb import DEFAULT_ORIGIN

#: Options of guests, and their defaults.
GUESTS_ONLY: dict[str, object] = {
    "kernel": None,
    "topology": [],
    "guests": None,
    "cold": False,
    "every_cpu": False,
    "steal": None,
    "flavour": DEFAULT,
}


def configure(parser: argparse.ArgumentParser) -> None:
    kernel = parser.add_argument_group("which kernel (default: the reference kernel, built on first use)")
    kernel.add_argument("--kernel", type=Path, metavar="BZIMAGE", help="somebody's kernel; needs --build")
    kernel.add_argument(
        "--build", type=Path, metavar="DIR", help="where it was built: the module is built against it"
    )
    kernel_verb.add_flavour(kernel)
    provenance.configure(parser)
    where = parser.add_argument_group("where")
    where.add_argument(
        "--topology",
        action="append",
        default=[],
        metavar="NAME",
        help=f"kind of guest (repeatable; default: {', '.join(topology.DEFAULT)})",
    )
    where.add_argument(
        "--guests", type=positive, metavar="N", help="guests at a time (default: by cores and memory)"
    )
    where.add_argument(
        "--cold", action="store_true",
        help="boot each guest (else, under TCG, those without a CXL device begin from a state that is kept)",
    )  # fmt: skip
    where.add_argument(
        "--every-cpu", action="store_true",
        help="all CPUs of a guest for all tests (else fast has one online where a test is not about several)",
    )  # fmt: skip
    where.add_argument(
        "--steal", type=positive, metavar="MILLISECONDS",
        help="take CPUs of guests away while tests run, one of a guest at a time, for so long on average, as "
        "a busy host does: a race in a test or in the kernel shows sooner",
    )  # fmt: skip
    here = parser.add_argument_group("on this booted machine, as root, instead of a guest")
    here.add_argument(
        "--here", action="store_true", help="test a private node that a driver has made, as it is"
    )
    here.add_argument(
        "--tx", action="append", default=[], metavar="SPEC",
        help=f"on this machine instead, {machines.FORM} (repeatable; tools/bots/ssh/README.md)",
    )  # fmt: skip
    here.add_argument(
        "--dax", action="append", default=[], metavar="DEVICE",
        help="or a spare dax device (dax0.0) or CXL region: all tests, which plug its memory (repeatable)",
    )  # fmt: skip
    here.add_argument("--node", type=int, metavar="N", help="which private node, where there are several")
    here.add_argument(
        "--profile", type=Path, metavar="FILE", help="device profile: the services that its driver opens"
    )
    here.add_argument(
        "--module", type=Path, metavar="KO", help="the test module, built elsewhere (instead of --build)"
    )
    here.add_argument(
        "--allow-disruptive", action="store_true",
        help="tests that can harm others, too: unplug in use, poison, OOM, machine short of memory; "
        "swap that is on is off during the run",
    )  # fmt: skip
    here.add_argument("--plan", action="store_true", help="print what would be touched and run, and end")
    what = parser.add_argument_group("which tests (default: all)")
    what.add_argument("-k", metavar="EXPRESSION", dest="keyword", help="as pytest -k")
    what.add_argument("-m", metavar="EXPRESSION", dest="marker", help="as pytest -m")
    what.add_argument(
        "--req", action="append", default=[], metavar="ID", help="of a requirement or chapter (repeatable)"
    )
    what.add_argument(
        "--repeat", type=positive, metavar="N", help="every test N times; one whose result changes is FLAKY"
    )
    what.add_argument(
        "--seed", type=int, metavar="S", help="shuffle the tests, each round differently, by this number"
    )
    what.add_argument(
        "--stress-seconds", type=stress.seconds, metavar="N",
        help=f"time that the scenes of the chapter STR race, together (default: {stress.SECONDS:g})",
    )  # fmt: skip
    what.add_argument("--stress-seed", type=int, metavar="N", help="other scenes for the chapter STR")
    what.add_argument(
        "--stress-scene", metavar="TEXT", help="this scene only, as a failure of the chapter STR printed it"
    )
    parser.add_argument(
        "--known", type=Path, action="append", default=[], metavar="FILE",
        help="issues that may fail and splats that are allowed, TOML (repeatable; tools/known/README.md)",
    )  # fmt: skip
    parser.add_argument(
        "--resume", type=Path, metavar="RUN",
        help="finish an interrupted run: same request, same kernel, the tests without a result",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the run's directory goes (default: runs)"
    )
    parser.add_argument(
        "--deadline", type=positive, default=DEADLINE, metavar="SECONDS",
        help="a test is ended at 5/6 of this, and with its guest at all of it, where no signal helps; times "
        f"the pace of the guests (default: {DEADLINE})",
    )  # fmt: skip
    parser.set_defaults(pytest_arguments=[])
    parser.epilog = f"Arguments after -- go to pytest.\n\n{RUN_HELP}"


def selection(args: argparse.Namespace) -> list[str]:
    """Return what pytest is told about the choice of tests."""
    words: list[str] = []
    for option, value in (("-k", args.keyword), ("-m", args.marker)):
        if value is not None:
            words += [option, value]
    for selector in args.req:
        words += ["--req", selector]
    for option, value in (
        ("--repeat", args.repeat),
        ("--seed", args.seed),
        ("--stress-seconds", args.stress_seconds),
        ("--stress-seed", args.stress_seed),
        ("--stress-scene", args.stress_scene),
    ):
        if value is not None:
            words.append(f"{option}={value}")
    return [*words, *args.pytest_arguments]


def request(args: argparse.Namespace, argv: Sequence[str]) -> Request:
    """Return the parsed options. Raises UserError for options that exclude each other."""
    if args.here:
        for name, default in GUESTS_ONLY.items():
            if getattr(args, name) != default:
                raise UserError(f"--{name.replace('_', '-')} is for guests, --here runs on this machine")
    if not args.here:
        for name in ("allow_disruptive", "dax", "node", "profile", "module", "plan", "tx"):
            if getattr(args, name) not in (None, False, []):
                raise UserError(
                    f"--{name.replace('_', '-')} is for --here; in a guest every test runs anyway"
                )
    if args.tx and args.plan:
        raise UserError(
            "--plan is for one machine; without --tx, on each of them, it tells what would be touched"
        )
    if args.dax and (args.node is not None or args.profile):
        raise UserError(
            "--dax has the test module make the node: --node and --profile are for a driver's own"
        )
    if args.steal is not None and args.steal > MOST:
        raise UserError(
            f"--steal {args.steal}: at most {MOST} ms; of a guest that stands still for longer tests time out"
        )
    return Request(
        kernel=args.kernel,
        build=args.build,
        flavour=args.flavour,
        topologies=tuple(dict.fromkeys(args.topology)),
        guests=args.guests,
        cold=args.cold,
        every_cpu=args.every_cpu,
        steal=args.steal / 1000 if args.steal else None,
        here=args.here,
        machines=tuple(args.tx),
        wish=Wish(tuple(args.dax), args.node, args.profile, args.module, args.allow_disruptive),
        requirements=tuple(args.req),
        selection=tuple(selection(args)),
        repeat=args.repeat or 1,
        seed=args.seed,
        output=args.output,
        # a longer scene is not overdue
        deadline=args.deadline + stress.longest(args.stress_seconds, args.stress_scene),
        known=tuple(args.known),
        argv=tuple(argv),
        source=provenance.given(args, foreign=bool(args.here or args.kernel or args.build)),
        origin=args.kcidb_origin or DEFAULT_ORIGIN,
        files_url=args.files_url,
    )


def execute(args: argparse.Namespace) -> int:
    if args.resume is not None:
        refuse_others(args)
        return resume.resume(args.resume, request_of, args.guests).code
    asked = request(args, sys.argv[1:])
    if args.plan:
        only_plan(asked)
        return Exit.HOLDS
    return certify(asked).code


def refuse_others(args: argparse.Namespace) -> None:
    """Raise UserError for what cannot be asked of a run that is resumed: it has its request."""
    parser = argparse.ArgumentParser()
    configure(parser)
    usual = vars(parser.parse_args([]))
    given = [name for name, value in vars(args).items() if value != usual[name]]
    if other := sorted(set(given) - {"resume", "guests"}):
        raise UserError(
            f"--resume has the request of the run; only --guests can be given with it, not {other[0]}"
        )


def request_of(argv: Sequence[str]) -> Request:
    """Return the request that a command line made, once more. Raises UserError, or SystemExit where the
    options are not known any more."""
    if list(argv[:1]) != ["run"]:
        raise UserError(f"it was not made by pnode run but by pnode {' '.join(argv[:1]) or '(unknown)'}")
    _, args = main.parse(argv)
    return request(args, argv)

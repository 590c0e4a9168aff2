# SPDX-License-Identifier: GPL-2.0-only
"""pnode rehearse: `pnode run --here` in a guest that plays the machine; is that as before afterwards?"""

import argparse
from pathlib import Path

from tools.cli import rundir, session, subject
from tools.cli.exits import Exit, statuses
from tools.doctor import packages
from tools.errors import UserError
from tools.hardware import rehearsal
from tools.hardware.rehearsal import Row
from tools.kernel import flavour


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = statuses(
        "the machine is as before after each scene", deviates="something is otherwise: the lines say what"
    )
    kernel = parser.add_argument_group("which kernel (default: the reference kernel)")
    kernel.add_argument("--kernel", type=Path, metavar="BZIMAGE", help="somebody's kernel; needs --build")
    kernel.add_argument("--build", type=Path, metavar="DIR", help="where it was built")
    parser.add_argument(
        "--scene",
        action="append",
        choices=list(rehearsal.SCENES),
        default=[],
        help=f"only this one (repeatable; default: all): {', '.join(rehearsal.SCENES)}",
        metavar="NAME",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the run's directory goes (default: runs)"
    )


def execute(args: argparse.Namespace) -> int:
    given = subject.check_paths(args.kernel, args.build)
    if given is not None and given.build_dir is None:
        raise UserError("--kernel: give --build as well; modules are built against it")
    packages.require(["qemu", "compiler"])

    def told(row: Row) -> None:
        session.say(f"{row.name}: {'ok' if not row.wrong else row.wrong[0]} ({row.seconds:.0f} s)")

    with rundir.new(args.output) as run_dir:
        session.say("booting a guest that plays the machine")
        kernel = given or subject.reference(flavour.load())
        rows = rehearsal.rehearse(kernel, run_dir, args.scene or list(rehearsal.SCENES), told)
        text = "\n".join(rehearsal.lines(rows))
        (run_dir / "rehearsal.txt").write_text(text + "\n")
        print(text)
        print(f"results: {run_dir}", flush=True)
    return Exit.HOLDS if rows and not any(row.wrong for row in rows) else Exit.DEVIATES

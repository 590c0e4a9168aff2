# SPDX-License-Identifier: GPL-2.0-only
"""Finds the verb, runs it, and turns every way of ending into an exit status.

Only the module of the chosen verb is imported: `pnode --help` and `pnode list` stay quick.
"""

import argparse
import errno
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn, Protocol, cast

from tools import output
from tools.cli.arguments import OneLineParser
from tools.cli.ending import SIGNALS
from tools.cli.exits import ALL_HELP, EXIT_HELP, Exit, Stop, is_step
from tools.errors import UserError

VERBS = {
    "run": "certify a kernel: boot guests, run the suite, report",
    "check": "the project's own tests: linters, unit tests, then the suite on the reference kernel",
    "doctor": "what this machine can do, found by trying it",
    "kernel": "build, list and remove reference kernels",
    "shell": "a guest with private nodes, for people",
    "faults": "break the kernel hook by hook: which tests notice, and does every test have one it notices",
    "chaos": "break guests, tests and the runner itself: is each fault attributed to its test, nothing lost",
    "rehearse": "run --here in a guest that plays the machine: is all as before afterwards",
    "bisect": "which commit of a kernel tree broke a requirement",
    "compare": "two runs: what newly fails, is fixed, lost, new, flaky, slower",
    "certify": "sign a certificate for a finished run, or make a pair of keys",
    "verify": "check a certificate: signature, contents, waivers, and the record it is about",
    "topology": "draw a kind of guest, or what the guests of a run found themselves to be",
    "bench": "what the suite costs, measured now as ratios; or where the time of a run went",
    "restore": "this machine as it was before a run on it that was killed",
    "report": "the reports of a run once more, also of one that was killed",
    "list": "requirements and the tests that certify them",
}
# What these find is in their status and in files: nobody has to read along. Others only have their output.
REPORTED = ("run", "check", "faults", "chaos", "rehearse", "bisect", "report")
# Where a verb's module does not have its name: certify.py is a run, which is what `run` does.
MODULES = {"certify": "certificate"}


class Verb(Protocol):
    """What a module of this package offers."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's options."""

    def execute(self, args: argparse.Namespace) -> int:
        """Do it and return the exit status. Raises UserError."""


def top_parser() -> argparse.ArgumentParser:
    """Return the parser of the first word."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {name:<{width}}  {text}" for name, text in VERBS.items())
    parser = OneLineParser(
        prog="pnode",
        description="Certifies that a kernel and a device keep the promise of private memory nodes.",
        epilog=f"verbs:\n{verbs}\n\n{ALL_HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", choices=list(VERBS), metavar="VERB", help="one of the verbs below")
    rest = parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    rest.required = False  # else its name is in the complaint about a missing verb
    return parser


def parse(argv: Sequence[str]) -> tuple[Verb, argparse.Namespace]:
    """Return the verb's module and its parsed arguments. Raises SystemExit on bad usage.

    What follows `--` is not ours to parse: it ends up in `pytest_arguments`, where the verb has such.
    """
    end = list(argv).index("--") if "--" in argv else len(argv)
    top = top_parser().parse_args(argv[:end])
    verb = cast(Verb, importlib.import_module(f"tools.cli.{MODULES.get(top.verb, top.verb)}"))
    parser = OneLineParser(
        prog=f"pnode {top.verb}",
        description=VERBS[top.verb],
        epilog=EXIT_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verb.configure(parser)
    passes_on = parser.get_default("pytest_arguments") is not None
    if end < len(argv) and not passes_on:
        parser.error("nothing can follow --: only `pnode run` passes arguments on to pytest")
    args = parser.parse_args(top.rest)
    if passes_on:
        args.pytest_arguments = list(argv[end + 1 :])
    return verb, args


def terminated(_signum: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM and SIGHUP end a run in the same orderly way as ^C, also one started in the background."""
    raise KeyboardInterrupt


def no_space(error: OSError) -> str:
    """Return the line for a full disk, naming the directory where that is known."""
    where = os.path.dirname(os.path.abspath(error.filename)) if error.filename else "the disk"
    code = errno.errorcode[error.errno or errno.ENOSPC]
    return f"no space left in {where} ({code}); free some, or point --output or $XDG_CACHE_HOME elsewhere"


def main(argv: Sequence[str]) -> int:
    """Run the verb that argv names; return the exit status of the process."""
    try:
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, terminated)
        verb, args = parse(argv)
        code = verb.execute(args)
        return code if code or argv[0] in REPORTED else printed()
    except SystemExit as ended:
        if ended.code and is_step(argv):
            return Stop.ABORT
        raise
    except KeyboardInterrupt:
        print("pnode: interrupted", file=sys.stderr)
        return Stop.INTERRUPTED if is_step(argv) else Exit.INCOMPLETE
    except Exception as error:
        tell(error)
        # Python's own status 1 would read as "the kernel deviates"
        return Stop.ABORT if is_step(argv) else Exit.CANNOT_RUN


def printed() -> int:
    """Return the status of a verb that has printed its answer."""
    error = output.lost()
    if error is None:
        return Exit.HOLDS
    if error.errno != errno.EPIPE:  # a reader that has gone, as head does, has enough
        code = errno.errorcode.get(error.errno or 0, "?")
        print(f"pnode: standard output: {code} ({error.strerror})", file=sys.stderr)
    return Exit.CANNOT_RUN


def tell(error: Exception) -> None:
    """Say why a verb could not, as long as the exception is being handled."""
    if isinstance(error, UserError):
        print(f"pnode: {error}", file=sys.stderr)
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        print(f"pnode: {no_space(error)}", file=sys.stderr)
    elif isinstance(error, OSError) and error.filename is not None and error.errno is not None:
        code = errno.errorcode.get(error.errno, str(error.errno))
        print(f"pnode: {os.fspath(error.filename)}: {code} ({error.strerror})", file=sys.stderr)
    else:
        traceback.print_exc()
        if not isinstance(error, OSError):
            print("pnode: this is a bug of pnode itself, not a verdict on the kernel", file=sys.stderr)

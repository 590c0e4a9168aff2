# SPDX-License-Identifier: GPL-2.0-only
"""pnode bisect: which commit of a kernel tree broke a requirement."""

import argparse
import contextlib
import shlex
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from helpers import catalogue
from tools.bisect import session, step, workspace
from tools.bisect.judgement import Code, Record
from tools.bisect.repository import Repository, open_tree
from tools.bisect.step import TOPOLOGY, Job, say
from tools.cli import collect, rundir
from tools.cli import kernel as kernel_verb
from tools.cli.arguments import positive
from tools.cli.exits import STEP, Exit
from tools.cli.list import load_catalogue, select
from tools.cli.session import environment
from tools.doctor import packages
from tools.errors import UserError
from tools.guest import topology
from tools.paths import ROOT

#: What each form does not look at.
UNUSED = {
    "step": ("good", "bad", "at", "trust_ends", "drop", "keep"),
    "at": ("good", "bad", "trust_ends", "drop"),
    "good": (),
}
EPILOG = """\
Each step builds a commit in an object directory of its own, boots it, and runs the tests of REQ: they pass
(good), one fails (bad), or nothing can be said: no build, no boot, another dialect, MISS, ERROR (skipped).
Your tree is not touched: commits are checked out in a worktree of the cache. After ^C, or an error such as a
full disk, the same command goes on.

--step judges what is checked out in the tree, with the exit status that `git bisect run` wants (0 good, 1
bad, 125 skip, 128 and more stop), for a bisect of your own, in the tree:
git bisect run /path/to/tools/pnode bisect ISO-02 --step

exit status:
  0  found the first bad commit (with --at: the requirement holds)
  1  with --at: it deviates
  2  could not: bad input, ends that are not good and bad; with --at: the commit cannot be judged
  3  interrupted, or no more than skipped commits are left"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("requirement", metavar="REQ", help="a requirement or chapter, as run --req takes it")
    which = parser.add_argument_group("which commits")
    which.add_argument("--good", metavar="COMMIT", help="where REQ holds")
    which.add_argument("--bad", metavar="COMMIT", help="where REQ deviates")
    which.add_argument("--at", metavar="COMMIT", help="judge this commit only")
    which.add_argument(STEP, action="store_true", help="judge what is checked out, for git bisect run")
    which.add_argument(
        "--tree", type=Path, default=Path(), metavar="DIR", help="clone of the kernel (default: here)"
    )
    which.add_argument(
        "--trust-ends", action="store_true", help="do not build and test the two ends before all else"
    )
    how = parser.add_argument_group("how a commit is judged")
    how.add_argument(
        "--topology", default=TOPOLOGY, metavar="NAME", help=f"kind of guest (default: {TOPOLOGY})"
    )
    how.add_argument("-k", metavar="EXPRESSION", dest="keyword", help="of the tests of REQ, as pytest -k")
    how.add_argument(
        "--repeat", type=positive, default=1, metavar="N", help="tests N times; one failure is bad"
    )
    kernel_verb.add_flavour(how)
    how.add_argument(
        "--config", type=Path, metavar="FILE", help="options on top of the flavour's (CONFIG_X=y lines)"
    )
    how.add_argument("-j", "--jobs", type=positive, metavar="N", help="make -jN (default: all cores)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where results go (default: runs)")
    parser.add_argument("--keep", action="store_true", help="keep worktree and objects when done")
    parser.add_argument("--drop", action="store_true", help="remove what an interrupted bisect has left")
    for hidden in ("--objects", "--record"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    parser.epilog = EPILOG


def execute(args: argparse.Namespace) -> int:
    if args.step:
        return one_step(args)
    refuse_unused(args)
    chosen = [word for word in ("good", "bad", "at") if getattr(args, word)]
    if chosen not in (["good", "bad"], ["at"]):
        raise UserError("bisect: give --good and --bad, or --at, or --step")
    packages.require(["git"])
    source = open_tree(args.tree)
    job = prepare(args)
    return one_commit(args, source, job) if args.at else whole(args, source, job)


def refuse_unused(args: argparse.Namespace) -> None:
    """Raise UserError for what was asked for and would not be done."""
    form = "step" if args.step else "at" if args.at else "good"
    unused = [f"--{name.replace('_', '-')}" for name in UNUSED[form] if getattr(args, name)]
    if unused:
        raise UserError(f"bisect with --{form} has no use for {', '.join(unused)}; leave it out")


def prepare(args: argparse.Namespace) -> Job:
    """Return what is judged, after everything that can be said against it without a kernel has been said."""
    known: catalogue.Catalogue = load_catalogue()
    names = select(known, args.requirement)
    place = topology.load(args.topology)
    job = Job(
        args.requirement, tuple(names), args.topology, args.keyword, args.flavour, args.config, args.repeat,
        args.jobs, args.output,
    )  # fmt: skip
    job.options()
    if not collect.collect_tests(job.request(Path()).selection, environment(place)):
        raise UserError(f"no test of {args.requirement} on topology {args.topology} (see pnode list)")
    packages.require(["compiler", "kernel", "qemu-cxl" if place.tree else "qemu"])
    return job


def one_step(args: argparse.Namespace) -> int:
    """Judge what is checked out. Whatever happens ends with a status that git does not take for a verdict."""
    try:
        refuse_unused(args)
        source = open_tree(args.tree)
        job = prepare(args)
        found = step.judge(job, source, args.objects or workspace.find(source, "step", ()).home)
        if args.record:
            Record(args.record).add(found)
    except KeyboardInterrupt:
        return Code.INTERRUPTED
    except UserError as error:
        print(f"pnode: {error}", file=sys.stderr, flush=True)
        return Code.ABORT
    except Exception:
        traceback.print_exc()
        return Code.ABORT
    return found.code


def one_commit(args: argparse.Namespace, source: Repository, job: Job) -> int:
    """Judge one commit in a worktree of its own, which is gone afterwards."""
    commit = source.commit(args.at)
    work = workspace.find(source, f"{job.requirement}-at", [*job.words, commit])
    with work.locked(), kept(work, args.keep):
        work.prepare(commit)
        found = step.judge(job, work.tree, work.objects)
    if found.run:
        print(f"results: {found.run}", flush=True)
    if found.code is Code.SKIP:
        raise UserError(f"{commit[:12]} cannot be judged: {found.verdict}: {found.reason}")
    return Exit.DEVIATES if found.code is Code.BAD else Exit.HOLDS


@contextlib.contextmanager
def kept(work: workspace.Workspace, keep: bool) -> Iterator[None]:
    """Remove the workspace after the block, or say where it is."""
    try:
        yield
    finally:
        if keep:
            say(f"kept: {work.tree.path}, built in {work.objects}")
        else:
            say(f"removing the worktree in {work.home}")
            work.remove()


def whole(args: argparse.Namespace, source: Repository, job: Job) -> int:
    """Bisect, print what came out, and clean up; what was interrupted stays, and how to go on is told."""
    ends = session.Ends(source.commit(args.good), source.commit(args.bad))
    if ends.good == ends.bad:
        raise UserError(f"--good and --bad are the same commit, {ends.good[:12]}")
    work = workspace.find(source, job.requirement, [*job.words, ends.good, ends.bad])
    output = (args.output or Path(rundir.DEFAULT_PARENT)).resolve()
    with work.locked():
        if args.drop:
            work.remove()
            return Exit.HOLDS
        try:
            found = session.narrow(work, ends, step_words(job, work, output), trust=args.trust_ends)
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            log = session.keep_log(work, output / f"bisect-{job.requirement}-{stamp}")
            again = ["tools/pnode", "bisect", *job.words, "--tree", str(source.path), "--at"]
            lines = session.report(work, found, job.requirements, again, log)
        except session.WrongEnds:
            work.remove()
            raise
        except KeyboardInterrupt:
            tell_how_to_go_on(work)
            return Exit.INCOMPLETE
        except Exception:  # such as a full disk: hours of judging are worth more than the space they take
            tell_how_to_go_on(work)
            raise
        with kept(work, args.keep):
            print("\n".join(lines), flush=True)
    return Exit.HOLDS if found.first_bad else Exit.INCOMPLETE


def step_words(job: Job, work: workspace.Workspace, output: Path) -> list[str]:
    """Return the program that judges the commit in the worktree."""
    return [
        *(sys.executable, "-P", str(ROOT / "tools/cli/__main__.py"), "bisect", *job.words, STEP),
        *("--tree", str(work.tree.path), "--objects", str(work.objects)),
        *("--record", str(work.record.path), "--output", str(output)),
    ]


def tell_how_to_go_on(work: workspace.Workspace) -> None:
    """Say where an unfinished bisect is, how it goes on, and how it goes away."""
    command = shlex.join(["tools/pnode", *sys.argv[1:]])
    if not work.exists:
        return
    say(f"not finished; {len(work.record.read())} commits judged; your tree is as it was")
    with contextlib.suppress(UserError):  # git may be what could not go on
        if work.tree.bisecting():
            tree = shlex.quote(str(work.tree.path))
            say(f"git bisect stands in a worktree of its own: git -C {tree} bisect log")
    say(f"to go on:   {command}")
    say(f"to drop it: {command} --drop")

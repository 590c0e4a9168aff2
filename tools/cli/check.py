# SPDX-License-Identifier: GPL-2.0-only
"""pnode check: linters, unit tests, the suite on the reference kernel, samples of faults in the kernel and in
a run, what it costs, what others read in the reports; one line sums them up."""

import argparse
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tools.bench import limits, split
from tools.cli import bounded, chaos, faults
from tools.cli.arguments import positive
from tools.cli.certify import Request, certify
from tools.cli.exits import Exit, statuses, worst
from tools.doctor import packages
from tools.errors import UserError
from tools.faults import show
from tools.guest import topology
from tools.paths import ROOT
from tools.report import readers
from tools.report.events import FILE, Outcome, read
from tools.report.verdict import Verdict

UNIT_TESTS = ("helpers", "fixtures", "tools")
# All of them take half a minute on two idle cores; the slowest single one takes ten seconds.
TEST_SECONDS = 120
UNIT_SECONDS = 1200
LINTERS = {
    "ruff": ("ruff", "check", ".", "tools/pnode"),
    "mypy": ("mypy",),
}


@dataclass(frozen=True)
class Counts:
    """What the closing line says."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Self) -> "Counts":
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = statuses(
        "everything passed",
        deviates="a linter, a test, a fault, a limit of time or a reader of the reports did not",
        incomplete="interrupted, or planned tests have no result",
    )
    parser.add_argument(
        "--no-suite", action="store_true", help="linters and unit tests only: no kernel, no guest"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the run's directory goes (default: runs)"
    )
    parser.add_argument("--guests", type=positive, metavar="N", help="guests at a time")


def lint(name: str, words: Sequence[str]) -> Counts:
    """Run a linter on the repository; it counts as one test."""
    print(f"== {name}", flush=True)
    status = subprocess.run([sys.executable, "-m", *words], cwd=ROOT).returncode
    return Counts(passed=1) if status == 0 else Counts(failed=1)


def unit_tests(report: Path) -> Counts:
    """Run the unit tests of all parts, and count them from their JUnit report."""
    print("== unit tests", flush=True)
    argv = [
        *(sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile", f"--junitxml={report}"),
        *(f"--timeout={TEST_SECONDS}", f"--rootdir={ROOT}", f"--config-file={ROOT / 'pyproject.toml'}"),
        *UNIT_TESTS,
    ]
    status = bounded.run(argv, ROOT, UNIT_SECONDS)
    if status is None:
        print(
            f"pnode: the unit tests did not end within {UNIT_SECONDS} s and were killed; stacks above",
            file=sys.stderr,
            flush=True,
        )
    counts = count_junit(report) if report.is_file() else Counts()
    # Broken before or after the tests, or killed: pytest's status says so, the report does not.
    return counts + Counts(failed=1) if status != 0 and not counts.failed else counts


def count_junit(report: Path) -> Counts:
    """Count the test cases of a JUnit report. Raises UserError when it is not XML (full disk)."""
    try:
        cases = list(ET.parse(report).iter("testcase"))
    except ET.ParseError as error:
        raise UserError(f"{report}: cut short: {error}; is the disk full?") from error
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    return Counts(len(cases) - failed - skipped, failed, skipped)


def count_suite(verdict: Verdict) -> Counts:
    """Count a run's tests so that the line agrees with the exit status.

    A test without a result has failed. A deviation from a "should" is shown in the summary and does not fail
    the run: it counts as skipped.
    """
    passed = failed = skipped = 0
    for test in verdict.tests:
        if test.outcome is Outcome.PASS:
            passed += 1
        elif test.outcome in (Outcome.SKIP, Outcome.KNOWN) or (
            test.outcome is not Outcome.MISS and verdict.level(test) == "should"
        ):
            skipped += 1
        else:
            failed += 1
    return Counts(passed, failed, skipped)


def everywhere() -> tuple[str, ...]:
    """Every topology there is: those of a plain run first, then those that are about their plumbing."""
    others = [name for name in topology.names() if name not in topology.DEFAULT]
    return (*topology.DEFAULT, *others)


def suite(args: argparse.Namespace) -> tuple[Counts, int, Path | None]:
    """Certify the reference kernel; a run that could not start is one failure, and has no directory."""
    print("== suite on the reference kernel", flush=True)
    try:
        done = certify(
            Request(
                topologies=everywhere(),
                output=args.output,
                guests=args.guests,
                argv=("run", *(word for name in everywhere() for word in ("--topology", name))),
            )
        )
    except UserError as error:
        print(f"pnode: {error}", file=sys.stderr, flush=True)
        return Counts(failed=1), Exit.CANNOT_RUN, None
    counts = count_suite(done.verdict)
    if done.signalled or any(event.get("kind") == "interrupted" for event in done.verdict.problems):
        print(counts, flush=True)
        raise KeyboardInterrupt  # who ended the suite does not want the rest of the check either
    if done.code and not counts.failed:
        counts += Counts(failed=1)
    return counts, done.code, done.run_dir


def sample_of_faults(args: argparse.Namespace) -> tuple[Counts, int, Path | None]:
    """Break a few hooks of the reference kernel, always the same ones: each has to turn its tests red, and no
    others. A fault counts as one test."""
    print("== a sample of faults: can the tests fail?", flush=True)
    try:
        result, run_dir = faults.check(guests=args.guests, output=args.output)
    except UserError as error:
        print(f"pnode: {error}", file=sys.stderr, flush=True)
        return Counts(failed=1), Exit.CANNOT_RUN, None
    print("\n".join(show.lines(result)), f"results: {run_dir}", sep="\n", flush=True)
    good = sum(row.good for row in result.rows)
    return Counts(good, len(result.rows) - good), Exit.HOLDS if result.good else Exit.DEVIATES, run_dir


def sample_of_chaos(args: argparse.Namespace) -> tuple[Counts, int]:
    """Break guests and tests, always the same way: each has to be told as what it is. A fault counts as one
    test."""
    print("== a sample of chaos: is each end told as what it was?", flush=True)
    try:
        series, run_dir = chaos.check(guests=args.guests, output=args.output)
    except UserError as error:
        print(f"pnode: {error}", file=sys.stderr, flush=True)
        return Counts(failed=1), Exit.CANNOT_RUN
    status = chaos.report(series, as_json=False)
    print(f"results: {run_dir}", flush=True)
    good = sum(row.good for row in series.rows)
    return Counts(good, len(series.rows) - good), status


def independent_readers(run_dir: Path, names: Sequence[str] = ()) -> tuple[Counts, int]:
    """Have others' programs read the reports of a run (default: all of them); each counts as one test, as
    skipped where it is not installed."""
    results = readers.check(run_dir, names)
    print(run_dir, *readers.lines(results), sep="\n", flush=True)
    agreed = sum(one.agrees for one in results)
    missing = sum(bool(one.missing) for one in results)
    return Counts(agreed, len(results) - agreed - missing, missing), readers.status(results)


def time_by_ratio(run_dir: Path) -> tuple[Counts, int]:
    """Whether the run kept the limits on what the suite may cost; each counts as one test."""
    found = list(limits.judged(split.splits(read(run_dir / FILE).events), limits.load()))
    print("== time, by ratio (pnode bench RUN)", *(line for line, _ in found), sep="\n", flush=True)
    kept = sum(good for _, good in found)
    return Counts(kept, len(found) - kept), Exit.HOLDS if kept == len(found) else Exit.DEVIATES


def execute(args: argparse.Namespace) -> int:
    packages.require(["browser"])  # so that no test of the page is skipped here
    total = Counts()
    for name, words in LINTERS.items():
        total += lint(name, words)
    with tempfile.TemporaryDirectory(prefix="pnode-") as scratch:
        total += unit_tests(Path(scratch, "unit.xml"))
    codes = [int(Exit.DEVIATES) if total.failed else int(Exit.HOLDS)]
    if not args.no_suite:
        certified, broken = suite(args), sample_of_faults(args)
        parts = [certified[:2], broken[:2], sample_of_chaos(args)]
        if certified[2] is not None:
            parts.append(time_by_ratio(certified[2]))
        print("== independent readers", flush=True)
        if certified[2] is not None:
            parts.append(independent_readers(certified[2]))
        if broken[2] is not None:  # it has a record, and reports of its own
            parts.append(independent_readers(broken[2], ["schema"]))
        total = sum((counts for counts, _ in parts), total)
        codes += [code for _, code in parts]
    print(total, flush=True)
    return worst(codes)

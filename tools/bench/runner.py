# SPDX-License-Identifier: GPL-2.0-only
"""`pnode run` as a user starts it, and what its record says."""

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bench import split
from tools.bench.split import Split
from tools.errors import UserError
from tools.guest.slot import Boot
from tools.paths import ROOT
from tools.process import failure
from tools.report.events import FILE, Outcome, read
from tools.report.outcomes import named

#: Seconds that a run may take, and until it has ended when told to.
DEADLINE = 600.0
END_SECONDS = 30.0
LOOK_SECONDS = 0.1
#: Exit statuses of runs that have run: every test held, or one deviated.
RAN = (0, 1)
INTERRUPTED = 3


@dataclass(frozen=True)
class Ran:
    """A run, or its beginning. Seconds since `pnode run` was started."""

    to_qemu: float
    wall: float
    after: float  # of wall, what came after the last result: guests end, reports are written
    planned: int  # tests
    failed: int  # of those that have a result: they may have ended early
    split: Split


def run(words: Sequence[str], guests: int | None, *, until_first: bool = False) -> Ran:
    """Run the tests that `words` choose; with `until_first` only until one has a result. Raises UserError
    with the last lines of a run that failed otherwise than by its tests."""
    with tempfile.TemporaryDirectory(prefix="pnode-bench-") as scratch:
        folder, log = Path(scratch, "runs"), Path(scratch, "log")
        folder.mkdir()
        count = [] if guests is None else ["--guests", str(guests)]
        argv = [str(ROOT / "tools/pnode"), "run", *words, *count, "--output", str(folder)]
        began, clock = time.time(), time.monotonic()
        with _started(argv, log) as child:
            _wait(child, folder, until_first)
        wall, ended = time.monotonic() - clock, time.time()
        status = child.returncode
        if status not in RAN and not (until_first and status == INTERRUPTED):
            raise UserError(f"bench: {failure('pnode run', log.read_text(errors='replace'), status)}")
        run_dir = _run_dir(folder)
        assert run_dir is not None, "it has a result"
        events = read(run_dir / FILE).events
        (found,) = split.splits(events)
        planned = sum(len(plan["tests"]) for plan in named(events, "plan"))
        started = Boot(run_dir / "guests/slot0/boot0").state()["started"]
        last = max((event["time"] for event in named(events, "test")), default=ended)
        failed = sum(event["outcome"] in (Outcome.FAIL, Outcome.ERROR) for event in named(events, "test"))
        return Ran(started - began, wall, ended - last, planned, failed, found)


@contextlib.contextmanager
def _started(argv: Sequence[str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """The process; what it says goes into `log`. However the block ends, so does the process, in order: its
    guests are gone before it is."""
    with log.open("wb") as messages:
        child = subprocess.Popen(
            argv,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # ^C is for us, who then end it once
        )
    try:
        yield child
    finally:
        _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait(child: "subprocess.Popen[bytes]", folder: Path, until_first: bool) -> None:
    deadline = time.monotonic() + DEADLINE
    while child.poll() is None:
        if time.monotonic() > deadline:
            raise UserError(f"bench: pnode run has not ended within {DEADLINE:g} s")
        if until_first and _has_result(folder):
            _end(child)
            return
        time.sleep(LOOK_SECONDS)


def _has_result(folder: Path) -> bool:
    run_dir = _run_dir(folder)
    if run_dir is None:
        return False
    with contextlib.suppress(OSError), (run_dir / FILE).open() as lines:
        return any('"event":"test"' in line and json.loads(line)["event"] == "test" for line in lines)
    return False


def _run_dir(folder: Path) -> Path | None:
    return next((path for path in folder.iterdir() if path.is_dir()), None)


__all__ = ["Ran", "run"]

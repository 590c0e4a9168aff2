# SPDX-License-Identifier: GPL-2.0-only
"""Runs sessions with faults, each in a process of its own, and looks at what they left behind.

For a fault of the whole run there is more to hold than the attribution of its test: the exit status, what the
record and the reports have, that no guest is left.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.chaos import seen
from tools.chaos.data import Fault
from tools.chaos.inner import Spec
from tools.chaos.plan import Session
from tools.chaos.seen import Row
from tools.errors import UserError
from tools.guest.slot import slots
from tools.paths import ROOT
from tools.report import finish
from tools.report.events import FILE, Event, read
from tools.report.verdict import DEVIATES, INCOMPLETE

#: Seconds for a session to come to its end, for itself and for each of its faults, on a machine of any pace.
SESSION_SECONDS, FAULT_SECONDS = 600.0, 240.0
#: QEMU goes with the thread that started it.
GONE_SECONDS = 10.0
FULL_DISK, DISK_BYTES = "full-disk", 24 << 20
#: Where a guest is not replaced, another one has to go on.
ALONE = "no-replacement"


@dataclass(frozen=True)
class Machine:
    """What the sessions boot, and how many guests at a time."""

    image: Path
    module: Path
    chaos: Path
    guests: int


def run(session: Session, machine: Machine, run_dir: Path) -> list[Row]:
    """Run a session and compare. Raises UserError when its guests do not come up."""
    run_dir.mkdir(parents=True)
    fault = next((fault for fault in session.faults if fault.by == "run"), None)
    name = fault.name if fault is not None else ""
    room = _small_disk(run_dir) if name == FULL_DISK else contextlib.nullcontext()
    if name == ALONE:
        machine = replace(machine, guests=2)
    with room, tempfile.TemporaryDirectory(prefix="pnode-chaos-") as scratch:
        answer = Path(scratch, "answer")
        status = _inner(session, machine, run_dir, Path(scratch, "spec"), answer)
        if status == 2:
            raise UserError(f"a session with faults could not be started; see above, and {run_dir}")
        told = json.loads(answer.read_text()) if answer.exists() else None
        (run_dir / "filler").unlink(missing_ok=True)
        wrong: list[str] = []
        if fault is not None:
            events, wrong = _CHECKS[fault.name](told, run_dir)
        elif told is None:
            events, wrong = _recorded(run_dir), [f"the runner ended with status {status}, without a report"]
        else:
            events, wrong = told["events"], _ordinary(told, run_dir)
        wrong += _left_over(run_dir)
    rows = seen.compare(session, events, run_dir.name)
    if wrong:
        _blame(rows, fault, session, run_dir.name, wrong)
    return rows


def until_then(session: Session, run_dir: Path) -> list[Row]:
    """The rows of a session that was stopped from outside: of the faults that had their result by then. A
    fault of the whole run has none: what has to hold for the run is not known."""
    if any(fault.by == "run" for fault in session.faults):
        return []
    events = _recorded(run_dir)
    done = {event["nodeid"] for event in events if event["event"] == "test"}
    return [row for row in seen.compare(session, events, run_dir.name) if row.nodeid in done]


def _inner(session: Session, machine: Machine, run_dir: Path, spec: Path, answer: Path) -> int:
    """The runner's exit status; it is killed when it does not come to its end, and that shows."""
    wanted = Spec(
        str(run_dir),
        tuple(fault.name for fault in session.faults),
        machine.guests,
        str(machine.image),
        str(machine.module),
        str(machine.chaos),
    )
    spec.write_text(wanted.text())
    words = [sys.executable, "-P", "-m", "tools.chaos.inner", str(spec), str(answer)]
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    process = subprocess.Popen(words, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        return process.wait(SESSION_SECONDS + FAULT_SECONDS * session.injected)
    except BaseException as error:
        process.kill()
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            return -1
        raise


def _recorded(run_dir: Path) -> list[Event]:
    record = run_dir / FILE
    return list(read(record).events) if record.exists() else []


def _blame(rows: list[Row], fault: Fault | None, session: Session, name: str, wrong: list[str]) -> None:
    """What is wrong with a run goes to its fault; where it has many, to a row of its own."""
    for row in rows:
        if fault is not None and row.fault == fault.name:
            row.wrong += wrong
            return
    rows.append(Row(name, "the session", "none", "a session in order", "", "", 0.0, wrong))


# --- what has to hold for the run
# -------------------------------------------------------------------------------------------------------


def _ordinary(told: dict[str, object], run_dir: Path) -> list[str]:
    """All that happened in memory is on disk, the reports are there, and a deviation was told."""
    events = told["events"]
    assert isinstance(events, list)
    wrong = seen.problems(events, ())
    if told["status"] != DEVIATES:
        wrong.append(f"exit status {told['status']}, not {DEVIATES}")
    recorded = _recorded(run_dir)
    if len(recorded) != len(events):
        wrong.append(f"{len(recorded)} of {len(events)} events are in {FILE}")
    wrong += [
        f"there is no {name}"
        for name in ("junit.xml", "results.ktap", "results.tap", "summary.txt")
        if not (run_dir / name).is_file()
    ]
    return wrong


Check = Callable[[dict[str, object] | None, Path], tuple[list[Event], list[str]]]


def _killed(told: dict[str, object] | None, run_dir: Path) -> tuple[list[Event], list[str]]:
    """Nothing is told, and `pnode report` tells what was done until then."""
    wrong = [] if told is None else ["the runner came to its end, although it was killed"]
    status = finish(run_dir, catalogue={}, stream=io.StringIO())
    if status != INCOMPLETE:
        wrong.append(f"pnode report ends with status {status}, not {INCOMPLETE}")
    events = _recorded(run_dir)
    return events, wrong + seen.problems(events, ())


def _interrupted(told: dict[str, object] | None, run_dir: Path) -> tuple[list[Event], list[str]]:
    if told is None:
        return _recorded(run_dir), ["the runner left no report"]
    events = told["events"]
    assert isinstance(events, list)
    wrong = seen.problems(events, ("interrupted",))
    if told["status"] != INCOMPLETE:
        wrong.append(f"exit status {told['status']}, not {INCOMPLETE}")
    return events, wrong


def _full(told: dict[str, object] | None, run_dir: Path) -> tuple[list[Event], list[str]]:
    """The run goes on, its last report is complete, and it says that the record is not."""
    if told is None:
        return _recorded(run_dir), ["the runner left no report"]
    events = told["events"]
    assert isinstance(events, list)
    wrong = seen.problems(events, ())
    if told["status"] != INCOMPLETE:
        wrong.append(f"exit status {told['status']}, not {INCOMPLETE}")
    if len(_recorded(run_dir)) >= len(events):
        wrong.append("the disk was not full: all events are recorded")
    return events, wrong


def _unreplaced(told: dict[str, object] | None, run_dir: Path) -> tuple[list[Event], list[str]]:
    if told is None:
        return _recorded(run_dir), ["the runner left no report"]
    events = told["events"]
    assert isinstance(events, list)
    wrong = seen.problems(events, ("could not be replaced",))
    if told["status"] != DEVIATES:
        wrong.append(f"exit status {told['status']}, not {DEVIATES}")
    return events, wrong


_CHECKS: dict[str, Check] = {
    "kill-runner": _killed,
    "interrupt-runner": _interrupted,
    FULL_DISK: _full,
    ALONE: _unreplaced,
}
CHECKED = frozenset(_CHECKS)


def _left_over(run_dir: Path) -> list[str]:
    """Guests that outlived their run."""
    deadline = time.monotonic() + GONE_SECONDS
    while True:
        boots = [boot for slot in slots(run_dir) for boot in slot.boots() if boot.qemu_pid()]
        if not boots or time.monotonic() > deadline:
            return [f"{boot.path} is still running" for boot in boots]
        time.sleep(0.1)


@contextlib.contextmanager
def _small_disk(run_dir: Path) -> Iterator[None]:
    """A disk of its own for the run. Raises UserError where this user cannot have one."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "pnode-chaos", run_dir],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise UserError(f"{FULL_DISK}: a small disk cannot be mounted: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", run_dir], capture_output=True)


def possible(faults: Sequence[Fault], told: Callable[[str], None] = lambda text: None) -> list[Fault]:
    """Those that can be injected by this user here; what is left out is told."""
    try:
        with tempfile.TemporaryDirectory(prefix="pnode-chaos-") as scratch, _small_disk(Path(scratch)):
            return list(faults)
    except UserError as error:
        told(f"left out: {error}")
        return [fault for fault in faults if fault.name != FULL_DISK]

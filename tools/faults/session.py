# SPDX-License-Identifier: GPL-2.0-only
"""Runs a plan: one pytest session whose items are faults and whose workers are guests."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from helpers import catalogue
from helpers.allowed import encode
from tools.cli import collect, rundir, session
from tools.cli.subject import Subject
from tools.cli.version import suite_version
from tools.errors import UserError
from tools.faults import matrix, plan, tries
from tools.faults.matrix import Matrix
from tools.faults.tries import Trying
from tools.guest import topology as topologies
from tools.guest.told import Told
from tools.guest.topology import Topology
from tools.kernel import faults as data
from tools.kernel.faults import Fault
from tools.known import gather
from tools.known.judge import allowed_on, for_tests
from tools.report import ControllerPlugin, RunLog
from tools.report.events import FILE, SCHEMA, Event
from tools.report.live import Live

TOPOLOGY = "fast"
DEADLINE = 90.0  # seconds a fault may take until its guest is ended
LAST_TEST = 30.0  # of that, for the test that runs when the time of its tests is up (fixtures/faults.py)
STANDSTILL = 180.0


class Unsupported(UserError):
    """The kernel cannot be broken on purpose."""


def requirements(tests: Sequence[collect.Collected]) -> dict[str, tuple[str, ...]]:
    """Return the requirements of each control test. Raises UserError for one that does not exist (here)."""
    known = {test.nodeid: test.requirements for test in tests}
    names = data.control()
    for name in names:
        if name not in known:
            raise UserError(f"{data.CONTROL.name}: no test {name} on topology {TOPOLOGY}")
    return {name: known[name] for name in names}


def by_requirement(faults: Sequence[Fault], tests: Sequence[collect.Collected]) -> dict[str, list[str]]:
    """Return the ids of the tests of each requirement that a fault has to turn red."""
    wanted = {name for fault in faults for name in fault.turns_red}
    return {name: [test.nodeid for test in tests if name in test.requirements] for name in sorted(wanted)}


def run(
    faults: Sequence[Fault],
    kernel: Subject,
    known: catalogue.Catalogue,
    *,
    guests: int | None = None,
    every: bool = False,
    output: Path | None = None,
    argv: Sequence[str] = (),
    words: Sequence[str] = (),
    trying: Trying | None = None,
) -> tuple[Matrix, Path]:
    """Break the kernel in each of these ways; return what became of it, and the run's directory. `words` go
    to pytest. With `trying` they are races, each of which is tried as often as it says.

    Raises UserError when no guest can be had.
    """
    place = topologies.load(TOPOLOGY)
    faults = plan.order(tries.spread(faults, trying) if trying else faults)
    tests = collect.collect_tests((), session.environment(place))
    control = {} if trying else requirements(tests)
    planned = tries.encode(faults, trying) if trying else plan.encode(faults, control, every)
    with rundir.new(output) as run_dir, RunLog(run_dir / FILE) as log:
        began = time.monotonic()
        log.write(
            "run-start",
            schema=SCHEMA,
            run=run_dir.name,
            suite=suite_version(),
            kernel=kernel.event(),
            topologies=[place.name],
            catalogue_hash=known.hash,
            argv=list(argv),
            dialect=None,
        )
        allowed = encode(for_tests(allowed_on(place.name, gather((), known), log.events[0])))
        words = [*words, "--faults", planned, f"--allowed-splats={allowed}"]
        told = Told(pnode_requirements=by_requirement(faults, tests))
        _session(place, kernel, faults, words, run_dir, log, known, guests, told)
        result = matrix.build(faults, log.events, run_dir)
        result.seconds = round(time.monotonic() - began, 1)
        log.write("faults", rows=[row.json() for row in result.rows], seconds=result.seconds)
        return result, run_dir


def deadlines(faults: Sequence[Fault], pace: float) -> dict[str, float]:
    """Return how long those faults may take, by node id, that have a time of their own: some make the kernel
    hang, and there is nothing to wait for."""
    return {
        matrix.PREFIX + fault.name: (fault.seconds + LAST_TEST) * pace for fault in faults if fault.seconds
    }


def _session(
    place: Topology,
    kernel: Subject,
    faults: Sequence[Fault],
    words: Sequence[str],
    run_dir: Path,
    log: RunLog,
    known: catalogue.Catalogue,
    wanted: int | None,
    told: Told,
) -> None:
    count = min(len(faults), wanted or session.default_guests(place, os.sched_getaffinity(0)))
    guests = session.Guests(place, kernel.image, kernel.module(), count)
    longest = max(DEADLINE, *(fault.seconds + LAST_TEST for fault in faults))
    with session.started(guests, run_dir) as running:
        session.check_record(running.record)
        session.say(f"{place.name}: {count} guests up under {running.accel.name}, {len(faults)} faults")
        plugin = ControllerPlugin(
            log,
            known,
            place.name,
            run_dir,
            Progress(len(faults)),
            DEADLINE * running.pace,
            silence=(longest + STANDSTILL) * running.pace,
            deadlines=deadlines(faults, running.pace),
            accel=running.accel.name,
            requirements={matrix.PREFIX + fault.name: list(fault.turns_red) for fault in faults},
        )
        arguments = [
            *session.common_arguments(),
            *session.distribution(2 * len(faults) + count),
            *(word for tx in running.tx() for word in ("--tx", tx)),
            *words,
        ]
        session.session(arguments, [plugin, told], session.environment(place))


class Progress(Live):
    """A line for each fault that is done."""

    def __init__(self, total: int) -> None:
        self._done, self._total = 0, total

    def result(self, test: Event) -> None:
        self._done += 1
        name = str(test["nodeid"]).removeprefix(matrix.PREFIX)
        session.say(f"[{self._done:{len(str(self._total))}}/{self._total}] {name} {test['duration']:.1f} s")

    def note(self, message: str) -> None:
        session.say(message)

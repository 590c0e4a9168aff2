# SPDX-License-Identifier: GPL-2.0-only
"""pnode run --resume RUN: finishes a run that was interrupted, from its record.

Only tests without a result run; those that ran when the run ended have none. A test that was blamed for the
end of its guest has one, and keeps it: nothing that was seen is undone.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tools.cli import collect, here, session
from tools.cli.certify import Done, Plan, Request, plan_tests, run_all
from tools.cli.list import load_catalogue
from tools.cli.subject import Subject, cached, check_paths
from tools.cli.version import suite_version
from tools.doctor import packages
from tools.errors import UserError
from tools.guest import control, steal
from tools.known.judge import entries_of
from tools.report import RunLog, finish
from tools.report.crash import KERNEL_DEATHS
from tools.report.events import FILE, Event, Outcome, read
from tools.report.finishing import verdict_of

__all__: Sequence[str] = ("resume",)


def resume(run_dir: Path, request_of: Callable[[Sequence[str]], Request], guests: int | None) -> Done:
    """Go on with a run and print its summary. Raises UserError when that is not possible."""
    start = beginning(run_dir)
    try:
        request = absolute(request_of([str(word) for word in start.get("argv") or ()]), start)
    except UserError as error:
        raise UserError(f"{run_dir} cannot be resumed: {error}") from error
    known = load_catalogue()
    require_same_suite(run_dir, start)
    try:
        log = RunLog(run_dir / FILE, alone=True)
    except BlockingIOError:
        raise UserError(f"{run_dir}: this run is still going on; wait for its end, or end it") from None
    except OSError as error:
        raise UserError(f"{run_dir / FILE}: {error.strerror}; a run needs its record to go on") from error
    with log:
        settle(log)
        plan = what_is_left(plan_tests(request), log.events)
        if not plan.tests:
            session.say(f"{run_dir.name}: nothing to do, every test has its result")
            code = finish(run_dir, log=log, catalogue=known)
            return Done(code, run_dir, verdict_of(log.events, known))
        kernel = same_kernel(run_dir, request, start)
        if plan.places:
            packages.require(["qemu-cxl" if any(place.tree for place in plan.places) else "qemu"])
            if request.steal:
                steal.check()
        module = kernel.module()
        control.kill_all(run_dir, "the run is resumed")
        left = {name: len(tests) for name, tests in plan.tests.items()}
        session.say(f"{run_dir.name}: {sum(left.values())} tests are left")
        log.write("resume", suite=suite_version(), tests=left, argv=sys.argv[1:])
        setting = session.Setting(
            run_dir.resolve(),
            log,
            known,
            request.selection,
            float(request.deadline),
            lambda dialect: None,
            entries_of(log.events),
            resumed=True,
        )
        return run_all(replace(request, guests=guests or request.guests), plan, kernel, module, setting)


def beginning(run_dir: Path) -> Event:
    """Return the run-start of a record. Raises UserError where there is none."""
    try:
        events = read(run_dir / FILE).events
    except OSError as error:
        raise UserError(f"--resume {run_dir}: no {FILE} in it; give the directory of a run") from error
    for event in events:
        if event["event"] == "run-start":
            return event
    raise UserError(f"--resume {run_dir}: it ended before its first guest was up; start a new run")


def absolute(request: Request, start: Event) -> Request:
    """Return the request with paths as they were meant: from the directory that the run was started in."""
    base = Path(start.get("cwd") or ".")
    return replace(
        request,
        kernel=base / request.kernel if request.kernel else None,
        build=base / request.build if request.build else None,
        wish=replace(
            request.wish,
            module=base / request.wish.module if request.wish.module else None,
            profile=base / request.wish.profile if request.wish.profile else None,
        ),
    )


def require_same_suite(run_dir: Path, start: Event) -> None:
    """Raise UserError when the tests are others than those that the run began with."""
    before, now = start.get("suite"), suite_version()
    if before != now:
        raise UserError(
            f"{run_dir} cannot be resumed: it began with the suite {before}, this is {now}, and results of "
            "two suites are no certificate; check out the other, or start a new run"
        )


def same_kernel(run_dir: Path, request: Request, start: Event) -> Subject:
    """Return the kernel that the run began with. Raises UserError when it is not there any more."""
    begun: Mapping[str, str] = start.get("kernel") or {}
    wanted = begun.get("image_sha256")
    if request.machines:
        raise UserError(f"{run_dir} cannot be resumed: it ran on machines of others (--tx); start a new run")
    if request.here:
        kernel: Subject | None = here.subject(request.build, request.wish.module)
    elif request.kernel or request.build:
        kernel = check_paths(request.kernel, request.build, request.flavour)
    else:
        kernel = cached(wanted or "")
    if kernel is None:
        raise UserError(
            f"{run_dir} cannot be resumed: its kernel, image sha256 {str(wanted)[:16]}..., is not among the "
            "built ones any more (pnode kernel list); start a new run"
        )
    now = kernel.event()
    for key, what in (("image_sha256", "image sha256"), ("version", "version")):
        if begun.get(key) != now.get(key):
            raise UserError(
                f"{run_dir} cannot be resumed: it began with another kernel ({what} {begun.get(key)}, now "
                f"{now.get(key)}), and results of two kernels are no certificate; start a new run"
            )
    return kernel


def settle(log: RunLog) -> None:
    """Give a test its result whose kernel is on record as dead while it ran, where the run ended between the
    two: it would run again, and might pass. A guest that just went away may well have gone with the run."""
    done = {(event["topology"], event["nodeid"]) for event in log.events if event["event"] == "test"}
    plans = {event["topology"]: event for event in reversed(log.events) if event["event"] == "plan"}
    for event in list(log.events):
        key = (event.get("topology"), event.get("nodeid"))
        died = event.get("state") == "lost" and event.get("kind") in KERNEL_DEATHS
        if event["event"] != "guest" or not died or key[1] is None or key in done:
            continue
        done.add(key)
        reason, kind = event.get("reason"), event.get("kind")
        log.write(
            "test",
            topology=key[0],
            nodeid=key[1],
            slot=event.get("slot"),
            outcome=Outcome.FAIL,
            kind=kind,
            requirements=plans.get(str(key[0]), {}).get("requirements", {}).get(key[1], []),
            duration=0.0,
            phases={},
            message=f"{kind}: {reason}",
            longrepr=f"{reason}\n\n{event.get('excerpt') or ''}".strip(),
            properties=[],
            sections=[],
            splats=[],
            console=event.get("console"),
            lines=None,
        )


def what_is_left(plan: Plan, events: Iterable[Event]) -> Plan:
    """Return the plan without the tests that have a result. Where a session had begun, its tests are those
    it had planned."""
    done: dict[str, set[str]] = {}
    planned: dict[str, set[str]] = {}
    for event in events:
        if event["event"] == "test":
            done.setdefault(event["topology"], set()).add(event["nodeid"])
        elif event["event"] == "plan":
            planned.setdefault(event["topology"], set(event["tests"]))
    left: dict[str, list[collect.Collected]] = {}
    for name, tests in plan.tests.items():
        wanted = planned.get(name, {test.nodeid for test in tests}) - done.get(name, set())
        rest = [test for test in tests if test.nodeid in wanted]
        if rest:
            left[name] = rest
    return Plan(tuple(place for place in plan.places if place.name in left), left, plan.flavour)

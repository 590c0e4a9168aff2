# SPDX-License-Identifier: GPL-2.0-only
"""A run, from its request to its reports: tests, kernel, module, then a session for each topology."""

import contextlib
import errno
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from helpers import catalogue, dialect
from tools.cli import collect, decode, here, machines, rundir, session, subject
from tools.cli.ending import Ending
from tools.cli.exits import Exit
from tools.cli.here import Wish
from tools.cli.list import load_catalogue, select
from tools.cli.provenance import Provenance
from tools.cli.subject import Subject
from tools.cli.version import suite_version
from tools.doctor import packages
from tools.errors import UserError
from tools.guest import steal
from tools.guest import topology as topologies
from tools.guest.topology import Topology
from tools.hardware import plan as plans
from tools.kernel import flavour
from tools.kernel.flavour import Flavour
from tools.known import Entry, gather
from tools.report import RunLog, finish
from tools.report.events import FILE, SCHEMA
from tools.report.finishing import verdict_of
from tools.report.kcidb import DEFAULT_ORIGIN
from tools.report.verdict import Verdict

DEADLINE = 120  # seconds a test may take, setup to teardown


@dataclass(frozen=True)
class Request:
    """What the command line asks for. Paths as given; nothing is checked yet."""

    kernel: Path | None = None
    build: Path | None = None
    flavour: str = flavour.DEFAULT
    topologies: tuple[str, ...] = ()
    guests: int | None = None
    cold: bool = False  # every guest boots
    every_cpu: bool = False  # online for all tests
    steal: float | None = None  # seconds for which a CPU of a guest is taken away, on average
    here: bool = False
    machines: tuple[str, ...] = ()  # instead of this one, as --tx names them
    wish: Wish = field(default_factory=Wish)  # with --here
    requirements: tuple[str, ...] = ()
    selection: tuple[str, ...] = ()  # arguments for pytest
    repeat: int = 1
    seed: int | None = None
    output: Path | None = None
    deadline: int = DEADLINE
    known: tuple[Path, ...] = ()  # exceptions from the rule
    argv: tuple[str, ...] = ()
    source: Provenance = field(default_factory=Provenance)
    origin: str = DEFAULT_ORIGIN
    files_url: str | None = None


@dataclass(frozen=True)
class Done:
    """A run that got as far as having a directory."""

    code: int
    run_dir: Path
    verdict: Verdict
    signalled: bool = False  # somebody wants the process to end


@dataclass(frozen=True)
class Plan:
    """What runs where: tests by place, a topology or this machine."""

    places: tuple[Topology, ...]  # empty for --here
    tests: Mapping[str, list[collect.Collected]]
    flavour: Flavour

    @property
    def names(self) -> list[str]:
        return list(self.tests)


def certify(request: Request) -> Done:
    """Do a whole run and print its summary. Raises UserError when it cannot begin."""
    known = load_catalogue()
    for selector in request.requirements:
        select(known, selector)
    exceptions = gather(request.known, known)
    with contextlib.ExitStack() as stack:
        if request.machines:
            given: Subject | None = stack.enter_context(
                machines.lent(request.machines, request.build, request.wish)
            )
        elif request.here:
            given = here.subject(request.build, request.wish.module)
        else:
            given = subject.check_paths(request.kernel, request.build, request.flavour)
        return certify_kernel(request, given, known, exceptions)


def certify_kernel(
    request: Request, given: Subject | None, known: catalogue.Catalogue, exceptions: Sequence[Entry]
) -> Done:
    """Do a run of this kernel, None for the reference kernel. Raises UserError when it cannot begin."""
    plan = plan_tests(request, given)
    if request.here and given and not request.machines:
        print(plan_here(request, plan, given), flush=True)
    elif not request.here:
        packages.require(["qemu-cxl" if any(place.tree for place in plan.places) else "qemu"])
        if request.steal:
            steal.check()
    if given and given.build_dir is None and not request.here:
        session.refuse_kernel_alone(given, plan.places[0], plan.flavour)
    with rundir.new(request.output) as run_dir:
        kernel = given or subject.reference(plan.flavour)
        module = kernel.module()
        with RunLog(run_dir / FILE, alone=True) as log:
            opening = Opening(log, start_event(request, run_dir, plan, kernel, known), exceptions)
            setting = session.Setting(
                run_dir, log, known, request.selection, float(request.deadline), opening.write, exceptions
            )
            return run_all(request, plan, kernel, module, setting)


def plan_here(request: Request, plan: Plan, kernel: Subject) -> str:
    """Return what a run on this machine will do. Raises UserError for what it must not touch."""
    tests = plan.tests[here.NAME]
    found = here.hardware(request.wish)
    module = str(request.wish.module or "the test module")
    return plans.text(found, tests, kernel.release, dialect.detect_dialect(), module)


def only_plan(request: Request) -> None:
    """Print the plan of a run on this machine; nothing is touched. Raises UserError as the run would."""
    known = load_catalogue()
    for selector in request.requirements:
        select(known, selector)
    kernel = here.subject(request.build, request.wish.module)
    print(plan_here(request, plan_tests(request), kernel), flush=True)


def run_all(request: Request, plan: Plan, kernel: Subject, module: Path, setting: session.Setting) -> Done:
    """Run what is planned and write the reports; whatever happens is in the record."""
    log, run_dir = setting.log, setting.run_dir
    with Ending() as ending:
        error = run_sessions(request, plan, kernel, module, setting, ending)
        ending.attempt(lambda: decode.decode(log, kernel))
        code = finish(run_dir, log=log, catalogue=setting.catalogue)
        print(f"results: {run_dir}", flush=True)
        verdict = verdict_of(log.events, setting.catalogue)
        return Done(refine(code, error), run_dir, verdict, ending.came)


def plan_tests(request: Request, given: Subject | None = None) -> Plan:
    """Ask pytest which tests there are for each place; machines that are lent say so themselves (`given`).
    Raises UserError when there are none at all."""
    kind = flavour.load(request.flavour)
    places: tuple[Topology, ...] = ()
    if isinstance(given, machines.LentKernel):
        environments = {here.NAME: given.environment}
    elif request.here:
        environments = {here.NAME: here.hardware(request.wish).environment()}
    else:
        named = [topologies.load(name) for name in request.topologies or topologies.DEFAULT]
        if request.every_cpu:
            named = [replace(place, online=place.vcpus) for place in named]
        places = tuple(place.with_more_memory(kind.more_memory) for place in named)
        environments = {place.name: session.environment(place) for place in places}
    tests = {
        name: found
        for name, environment in environments.items()
        if (found := collect.collect_tests(request.selection, environment))
    }
    if not tests:
        raise UserError(f"no test matches the selection on {', '.join(environments)} (see pnode list)")
    return Plan(tuple(place for place in places if place.name in tests), tests, kind)


class Opening:
    """Writes run-start once: when a guest has said which dialect its kernel speaks, or it is clear that
    none will."""

    def __init__(self, log: RunLog, fields: Mapping[str, object], exceptions: Sequence[Entry] = ()) -> None:
        self._log = log
        self._fields: dict[str, object] | None = dict(fields)
        self._exceptions = exceptions

    def write(self, dialect: str) -> None:
        """Write the event if it is not there yet; the dialect is empty when nobody could say."""
        if self._fields is not None:
            self._log.write("run-start", dialect=dialect or None, **self._fields)
            self._fields = None
            if self._exceptions:
                self._log.write("known", entries=[entry.event() for entry in self._exceptions])


def start_event(
    request: Request, run_dir: Path, plan: Plan, kernel: Subject, known: catalogue.Catalogue
) -> dict[str, object]:
    """Return the fields of run-start."""
    return {
        "schema": SCHEMA,
        "run": run_dir.name,
        "suite": suite_version(),
        "time": round(time.time(), 3),
        "kernel": kernel.event(),
        "source": {"base": None, **request.source.event(), **kernel.source()},
        "origin": request.origin,
        "files_url": request.files_url,
        "topologies": plan.names,
        "repeat": request.repeat,
        "seed": request.seed,
        "selection": [word for word in request.selection if not word.startswith(("--repeat=", "--seed="))],
        "catalogue_hash": known.hash,
        "argv": list(request.argv),
        "cwd": os.getcwd(),
    }


def run_sessions(
    request: Request,
    plan: Plan,
    kernel: Subject,
    module: Path,
    setting: session.Setting,
    ending: Ending,
) -> UserError | None:
    """Run all sessions; an interrupt or an error ends them and goes into the record. Signals are held then.

    Returns the error that the summary then tells, if any.
    """

    def problem(kind: str, message: str) -> None:
        setting.announce("")
        setting.log.write("problem", topology=name, kind=kind, message=message)

    name = here.NAME
    try:
        try:
            if isinstance(kernel, machines.LentKernel):
                machines.run(kernel, plan.tests[name], setting)
                return None
            if request.here:
                here.run(module, plan.tests[name], setting, request.wish)
                return None
            for place in plan.places:
                name = place.name
                tests = plan.tests[name]
                guests = session.Guests(
                    place,
                    kernel.image,
                    module,
                    count(place, len(tests), request.guests),
                    plan.flavour,
                    warm=not request.cold,
                    steal=request.steal,
                )
                if not session.run(guests, tests, setting):
                    return None
        finally:
            ending.hold()
    except KeyboardInterrupt:
        ending.hold()  # it may have come before the other one
        problem("interrupted", "interrupted while guests were starting or ending")
    except session.UnfitKernel as error:
        setting.announce(error.dialect)
        problem("usage", str(error))
        return error
    except UserError as error:
        problem("guest", str(error))
        return error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        problem("guest", f"no space left in {setting.run_dir}; what was done until then is reported")
    return None


def count(place: Topology, tests: int, wanted: int | None) -> int:
    """Return how many guests to run: as asked, else what cores and memory bear, never more than tests."""
    return min(tests, wanted or session.default_guests(place, os.sched_getaffinity(0)))


def refine(code: int, error: UserError | None) -> int:
    """Return the run's status: reports cannot tell "no guest ever came up" from "nothing was selected"."""
    return int(Exit.CANNOT_RUN) if isinstance(error, session.UnfitKernel) else code


__all__: Sequence[str] = ("DEADLINE", "Done", "Request", "certify")

# SPDX-License-Identifier: GPL-2.0-only
"""One topology: its guests, and a pytest session whose workers they are."""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from helpers import catalogue
from helpers.allowed import Allowed, encode
from helpers.dialect import UNKNOWN, refusal
from tools.cli.collect import Collected
from tools.cli.subject import Subject
from tools.errors import UserError
from tools.guest import pool, steal
from tools.guest.errors import GuestError
from tools.guest.slot import Slot
from tools.guest.spec import GuestSpec
from tools.guest.told import Told
from tools.guest.topology import Topology
from tools.kernel import flavour
from tools.kernel.flavour import Flavour
from tools.known import Entry
from tools.known.judge import allowed_on, for_tests
from tools.paths import ROOT
from tools.report import ControllerPlugin, RunLog, again, make_live
from tools.report.rescue import Kill, kill_guest

QEMU_OVERHEAD = 256 << 20  # bytes of a QEMU beside its guest's memory, measured under TCG
MEMORY_SHARE = 0.8  # of what is available now; the rest is for the host
SOFT = 5 / 6  # of a test's deadline: then it is ended in its guest, with stacks, and the guest goes on
RESTARTS = 20  # guests that may be lost in a session before it is given up
RESTARTS_PER_TEST = 0.1
STANDSTILL = 180.0  # seconds beyond a test's deadline in which at least a guest boots


class UnfitKernel(UserError):
    """The kernel boots, and is not one that can be certified; `dialect` where that is the reason."""

    def __init__(self, message: str, dialect: str = "") -> None:
        super().__init__(message)
        self.dialect = dialect


@dataclass(frozen=True)
class Setting:
    """What the sessions of a run have in common."""

    run_dir: Path
    log: RunLog
    catalogue: catalogue.Catalogue
    selection: Sequence[str]  # arguments for pytest
    deadline: float  # seconds a test may take on a machine of the usual pace
    announce: Callable[[str], None]  # told the dialect, before anything else is logged
    exceptions: Sequence[Entry] = ()
    resumed: bool = False  # only the tests that are left run

    def plugin(
        self,
        place: str,
        accel: str | None,
        tests: Sequence[Collected],
        pace: float = 1.0,
        kill: Kill = kill_guest,
    ) -> ControllerPlugin:
        """Return what turns a session into events; a slow machine gets `pace` times the time, and `kill` ends
        the worker of a slot."""
        return ControllerPlugin(
            self.log,
            self.catalogue,
            place,
            self.run_dir,
            make_live(),
            self.deadline * pace,
            silence=(self.deadline + STANDSTILL) * pace,
            accel=accel,
            patience=pace,
            requirements={test.nodeid: list(test.requirements) for test in tests},
            allowed=self.allowed(place),
            kill=kill,
        )

    def allowed(self, place: str) -> list[Allowed]:
        """Return the splats that are no finding on a topology, with the kernel under test."""
        return allowed_on(place, self.exceptions, self._run())

    def _run(self) -> Mapping[str, Any]:
        return next((event for event in self.log.events if event["event"] == "run-start"), {})

    def words(self, place: str, tests: Sequence[Collected]) -> list[str]:
        """Return what pytest is told about the choice of tests, and about the environment."""
        allowed = for_tests(self.allowed(place))
        rest = json.dumps([test.nodeid for test in tests])
        return [
            *self.selection,
            *files(self.selection, tests, resumed=self.resumed),
            f"--again={again.command(self._run(), place)}",
            *([f"--remaining={rest}"] if self.resumed else []),
            *([f"--allowed-splats={encode(allowed)}"] if allowed else []),
        ]


def files(selection: Sequence[str], tests: Sequence[Collected], *, resumed: bool = False) -> list[str]:
    """Return the files that hold the tests of a choice, or of a topology that has few, in order: a guest need
    not import all others, which takes it longer than its boot. Empty for the whole suite, and where who chose
    has named files himself."""
    words, chosen = iter(selection), resumed
    for word in words:
        if word in ("-k", "-m", "--req"):
            chosen = bool(next(words, None)) or chosen
        elif not word.startswith(("--repeat=", "--seed=")):
            return []
    held = list(dict.fromkeys(test.nodeid.partition("::")[0] for test in tests))
    few = 2 * len(held) < sum(1 for _ in (ROOT / "selftests").rglob("test_*.py"))
    return held if chosen or few else []


@dataclass(frozen=True)
class Guests:
    """What to boot, and how many at a time."""

    topology: Topology
    image: Path
    module: Path | None
    count: int
    flavour: Flavour = field(default_factory=flavour.load)
    warm: bool = True  # one boots, the others begin where it was (tools/guest/warm.py)
    steal: float | None = None  # seconds for which a CPU is taken away while tests run, on average

    def spec(self) -> GuestSpec:
        """Return what the pool wants to know."""
        return GuestSpec(
            topology=self.topology,
            kernel=self.image,
            module=self.module,
            boot=self.flavour.boot_arguments(cxl=self.topology.tree is not None),
            patience=self.flavour.patience,
            warm=self.warm,
        )


def environment(topology: Topology) -> dict[str, str]:
    """Return what tells a collection on the host for which guest it is."""
    return {"PNODE_TOPOLOGY": topology.name, "PNODE_PROVIDES": ",".join(topology.provides)}


def default_guests(topology: Topology, cores: Collection[int]) -> int:
    """Return how many guests this machine bears: one a core, as memory allows, at least one."""
    free = psutil.virtual_memory().available * MEMORY_SHARE
    by_memory = int(free // (topology.memory + QEMU_OVERHEAD))
    return max(1, min(len(cores), by_memory))


def check_record(record: Mapping[str, object]) -> None:
    """Judge a guest's ready record. Raises UnfitKernel for a kernel that cannot be certified."""
    release = record.get("release")
    spoken = str(record.get("dialect") or UNKNOWN)
    if reason := refusal(spoken, list(cast(Iterable[str], record.get("signs") or ()))):
        raise UnfitKernel(f"kernel {release} {reason}", spoken)
    insmod = record.get("insmod")
    if insmod and insmod != "absent":
        raise UnfitKernel(
            f"kernel {release} does not load the test module ({insmod}); "
            "was --build the directory this image was built in?"
        )


@contextlib.contextmanager
def started(guests: Guests, run_dir: Path) -> Iterator[pool.Pool]:
    """Boot the guests of a session; they are gone after the block.

    Raises UnfitKernel when a guest says that its kernel is the reason, GuestError otherwise.
    """
    try:
        running = pool.start(guests.spec(), guests.count, run_dir)
    except GuestError as error:
        # Too little of a kernel for a worker can still have said on its console what it is.
        for slot in range(guests.count):
            boot = Slot(run_dir, slot).current()
            record = boot.state().get("record") if boot else None
            if record:
                check_record(record)
        raise error
    with running:
        yield running


def refuse_kernel_alone(kernel: Subject, topology: Topology, kind: Flavour) -> None:
    """Boot a kernel given without its build directory, to say what is missing. Always raises UserError."""
    say(f"booting {kernel.release or kernel.image} to see what it is")
    alone = Guests(topology, kernel.image, None, 1, kind)
    with tempfile.TemporaryDirectory(prefix="pnode-") as scratch, started(alone, Path(scratch)) as running:
        check_record(running.record)
        release = running.record["release"]
    raise UserError(
        f"kernel {release} has private memory nodes; to certify it give --build DIR, where it was built: "
        "the test module is built against it"
    )


def run(guests: Guests, tests: Sequence[Collected], setting: Setting) -> bool:
    """Run the tests of a topology in guests; everything that happens goes into the log.

    Returns False when the run must not go on with the next topology (interrupted). Raises GuestError and
    UnfitKernel before any test has run.
    """
    name = guests.topology.name
    say(f"{name}: booting {guests.count} {'guest' if guests.count == 1 else 'guests'} for {len(tests)} tests")
    with started(guests, setting.run_dir) as running:
        check_record(running.record)
        setting.announce(str(running.record["dialect"]))
        say(f"{name}: up under {running.accel.name}: {running.accel.reason}{slow(running.pace)}")
        log_guests(running, setting)
        restarts = max(RESTARTS, int(len(tests) * RESTARTS_PER_TEST))
        words = [
            *common_arguments(),
            *distribution(restarts),
            *(word for tx in running.tx() for word in ("--tx", tx)),
            f"--timeout={setting.deadline * SOFT * running.pace:g}",
            *setting.words(name, tests),
        ]
        plugin = setting.plugin(name, running.accel.name, tests, running.pace)
        told = Told(pnode_tests=[test.nodeid for test in tests])
        with steal.stealing(running.slots, guests.steal) as taken:
            status = session(words, [plugin, told], environment(guests.topology))
        if guests.steal:
            say(f"{name}: CPUs were taken away from guests: {taken}")
    plugin.guests_gone()
    return status != pytest.ExitCode.INTERRUPTED


def slow(pace: float) -> str:
    """Return what is to be said about the pace of the guests: nothing for the usual one."""
    return f"; {pace:g} times as slow as usual, so bounds are {pace:g} times as long" if pace > 1 else ""


def log_guests(running: pool.Pool, setting: Setting) -> None:
    """Record what each guest said when it was ready."""
    for guest in running.guests:
        setting.log.write(
            "guest",
            topology=running.spec.topology.name,
            slot=guest.slot,
            boot=guest.boot.number,
            state="ready",
            reason=None,
            console=str(guest.boot.console.relative_to(setting.run_dir)),
            record=guest.record,
            seconds=guest.seconds,
        )
        log_machine(setting.log, running.spec.topology.name, guest.slot, guest.machine)


def log_machine(log: RunLog, topology: str, slot: int | None, found: Mapping[str, object] | None) -> None:
    """Record what a guest, or this machine (slot None), found itself to be; see helpers/machine.py."""
    if found is not None:
        log.write("machine", topology=topology, slot=slot, **found)


def common_arguments() -> list[str]:
    """Return pytest's arguments that do not depend on where the tests run."""
    return [f"--rootdir={ROOT}", f"--config-file={ROOT / 'pyproject.toml'}"]


def distribution(restarts: int) -> list[str]:
    """Return pytest-xdist's arguments for workers of which so many may be replaced.

    A worker has its share of the tests from the start, in a row, and loses half of the rest to one that has
    none left. Handed out one by one, nearly every file would be imported by every worker.
    """
    return ["--dist=worksteal", f"--max-worker-restart={restarts}"]


def session(words: Sequence[str], plugins: Sequence[object], env: Mapping[str, str]) -> int:
    """Run pytest in this process, in the repository: a worker starts in the same directory in its guest."""
    before = Path.cwd()
    saved = dict(os.environ)
    os.environ.update(env)
    os.environ.pop("PYTEST_ADDOPTS", None)  # meant for another project
    os.chdir(ROOT)
    try:
        return int(pytest.main(list(words), plugins=list(plugins)))
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(saved)


def say(text: str) -> None:
    """Tell people what goes on."""
    print(f"pnode: {text}", file=sys.stderr, flush=True)

# SPDX-License-Identifier: GPL-2.0-only
"""pnode run --here --tx ssh=...: the suite on several booted machines, each a worker of pytest-xdist.

Each is lent by a process of its own (lend.py, over ssh) that has the test module loaded while the run goes
on. The suite has to be there at the same path, of the same commit, and the machines have to run the same
kernel: a run certifies one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers import pace
from tools.cli import far, here, session
from tools.cli.collect import Collected
from tools.cli.here import Wish
from tools.cli.session import Setting
from tools.cli.subject import Subject
from tools.cli.version import suite_version
from tools.errors import UserError
from tools.paths import ROOT

FORM = "ssh=[USER@]HOST[//python=PATH][//ssh_config=FILE]"
#: Never asks, and notices a machine that is gone within a minute.
SSH = ("ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
       "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4")  # fmt: skip
#: Until a machine is ready: it may have to build the test module.
SECONDS = 300.0
GONE_SECONDS = 20.0
FAILED = 255  # of ssh itself
RESTARTS = 20  # workers that may be lost: a test can end its worker, and the machine goes on


@dataclass(frozen=True)
class Machine:
    """One of them, as --tx names it: ssh's own words for it, and the interpreter there."""

    name: str
    python: str = str(ROOT / ".venv/bin/python")
    config: str | None = None

    def ssh(self) -> list[str]:
        """The words of ssh, up to the command."""
        return [*SSH, *(["-F", self.config] if self.config else []), *shlex.split(self.name)]


def parse(text: str) -> Machine:
    """Return the machine of a --tx option. Raises UserError."""
    words: dict[str, str] = {}
    for word in text.split("//"):
        key, equals, value = word.partition("=")
        if not (equals and value) or key not in ("ssh", "python", "ssh_config") or key in words:
            raise UserError(f"--tx {text}: {word!r} is not of the form {FORM}")
        words[key] = value
    if not shlex.split(words.get("ssh", "")):
        raise UserError(f"--tx {text}: no machine in it; give it the form {FORM}")
    python = {"python": words["python"]} if "python" in words else {}
    return Machine(words["ssh"], config=words.get("ssh_config"), **python)


@dataclass(frozen=True)
class Lease:
    """A machine that is ready: the process that holds it, and what it says of itself."""

    machine: Machine
    process: subprocess.Popen[str]
    record: Mapping[str, Any]

    def end(self) -> None:
        """Give it back: its module is taken out."""
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        try:
            self.process.wait(GONE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def ask(machine: Machine, build: Path | None, wish: Wish) -> subprocess.Popen[str]:
    """Begin to make a machine ready."""
    words = [machine.python, "-P", "-m", "tools.cli.lend", *(["--build", str(build)] if build else [])]
    words += [word for name in wish.dax for word in ("--dax", name)]
    for option, value in (("--node", wish.node), ("--profile", wish.profile), ("--module", wish.module)):
        words += [option, str(value)] if value is not None else []
    words += ["--allow-disruptive"] if wish.allow_disruptive else []
    command = f"cd {shlex.quote(str(ROOT))} && PYTHONPATH=. exec {shlex.join(words)}"
    return subprocess.Popen(
        [*machine.ssh(), command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # ^C is for the run, which gives the machine back
    )


def answer(machine: Machine, process: subprocess.Popen[str], seconds: float = SECONDS) -> Lease:
    """Wait until it is ready. Raises UserError with ssh's reason, or the machine's own."""
    assert process.stdout is not None
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        line = process.stdout.readline()
    finally:
        timer.cancel()
    try:
        record = json.loads(line)
    except ValueError:
        record = {"error": _why(machine, process, line, seconds)}
    lease = Lease(machine, process, record)
    if "error" in record:
        lease.end()
        raise UserError(f"--tx ssh={machine.name}: {record['error']}")
    return lease


def _why(machine: Machine, process: subprocess.Popen[str], line: str, seconds: float) -> str:
    """Why there was no record."""
    if line:
        process.kill()
        process.communicate()
        return (
            f"it says {line.strip()!r} before anything else; a shell that nobody sits at must print nothing"
        )
    try:
        _, messages = process.communicate(timeout=GONE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        _, messages = process.communicate()
    said = [text.strip() for text in messages.splitlines() if text.strip()]
    last = said[-1] if said else f"status {process.returncode}"
    if process.returncode == -signal.SIGKILL:
        return f"not ready within {seconds:g} s"
    if process.returncode == FAILED:
        return f"{last}; try: {shlex.join([*machine.ssh(), 'true'])}"
    return f"{last}; this checkout has to be at {ROOT} there, and tools/pnode doctor to have run in it"


@dataclass(frozen=True)
class LentKernel(Subject):
    """The kernel that all the machines run."""

    leases: tuple[Lease, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)

    def event(self) -> dict[str, str | None]:
        return dict(self.fields)

    def module(self) -> Path:
        return here.LOADED  # each machine has its own

    @property
    def environment(self) -> dict[str, str]:
        """What tells the suite where it is: on the first machine, the others are of the same kind."""
        return dict(self.leases[0].record["environment"])


@contextlib.contextmanager
def lent(options: Sequence[str], build: Path | None, wish: Wish) -> Iterator[LentKernel]:
    """Have what is wished for on all the machines, for the block. Raises UserError when one cannot be had or
    does not fit."""
    machines = [parse(option) for option in options]
    leases: list[Lease] = []
    try:
        session.say(f"waiting for {len(machines)} {'machine' if len(machines) == 1 else 'machines'}")
        asked = [ask(machine, build, wish) for machine in machines]
        with ThreadPoolExecutor(len(machines)) as pool:
            waiting = [pool.submit(answer, *pair) for pair in zip(machines, asked, strict=True)]
            try:
                wait(waiting)
            except BaseException:  # ^C: then nobody has to wait for a machine that does not answer
                for process in asked:
                    process.kill()
                raise
        errors = [done.exception() for done in waiting]
        leases += [done.result() for done in waiting if done.exception() is None]
        if error := next(filter(None, errors), None):
            raise error
        agree(leases)
        first = leases[0].record
        release, fields = str(first["release"]), first["kernel"]
        yield LentKernel(Path("/proc/version"), None, release, release, leases=tuple(leases), fields=fields)
    finally:
        for lease in leases:
            lease.end()


def agree(leases: Sequence[Lease]) -> None:
    """Raise UserError unless all machines have this suite and one kernel."""
    for lease in leases:
        name, suite = lease.machine.name, lease.record["suite"]
        if suite != suite_version():
            raise UserError(f"--tx ssh={name}: it has the suite {suite}, this is {suite_version()}")
        mine, first = lease.record["kernel"].get("version"), leases[0].record["kernel"].get("version")
        if mine != first:
            raise UserError(
                f"--tx ssh={name}: it runs {mine}, {leases[0].machine.name} {first}; "
                "a run certifies one kernel"
            )


def run(kernel: LentKernel, tests: Sequence[Collected], setting: Setting) -> None:
    """Run the tests on all machines; everything that happens goes into the log."""
    setting.announce(str(kernel.leases[0].record["dialect"]))
    factor = max(float(lease.record["pace"]) for lease in kernel.leases)
    slower = {pace.VARIABLE: str(factor)}
    words = [
        *session.common_arguments(),
        *session.distribution(RESTARTS),
        *(
            word
            for slot, lease in enumerate(kernel.leases)
            for word in tx(slot, lease, setting.run_dir, lease.record["environment"] | slower)
        ),
        f"--timeout={setting.deadline * session.SOFT * factor:g}",
        *setting.words(here.NAME, tests),
    ]
    for slot, lease in enumerate(kernel.leases):
        session.say(f"slot{slot} is {lease.machine.name}")
        session.log_machine(setting.log, here.NAME, slot, lease.record["machine"])
    plugin = setting.plugin(here.NAME, None, tests, factor, kill=leave)
    session.session(words, [plugin], kernel.environment | slower)


def tx(slot: int, lease: Lease, run_dir: Path, env: Mapping[str, str]) -> list[str]:
    """The --tx of a slot. Raises UserError for a path that execnet cannot pass."""
    home = far.folder(run_dir.absolute(), slot)
    home.mkdir(parents=True)
    told = {
        "host": lease.machine.name,
        "lease": lease.process.pid,
        "boot_id": lease.record["boot_id"],
        "ssh": lease.machine.ssh(),
        "directory": str(ROOT),
        "python": [*(f"{name}={value}" for name, value in env.items()), lease.machine.python],
    }
    (home / "command.json").write_text(json.dumps(told, indent=1) + "\n")
    words = [sys.executable, "-P", far.__file__, "--slot", str(slot), "--run-dir", str(run_dir.absolute())]
    if any("//" in word for word in words):
        raise UserError(f"{run_dir}: '//' in the path; choose another folder for the run")
    return ["--tx", f"popen//python={shlex.join(words)}//env:PNODE_SLOT={slot}"]


def leave(run_dir: Path, slot: int, reason: str, *, last_words: bool) -> None:
    """End the connection to a machine whose test does not come to its end. What hangs there goes on."""
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((far.folder(run_dir.absolute(), slot) / "pid").read_text()), signal.SIGKILL)


__all__ = ["FORM", "LentKernel", "Machine", "lent", "parse", "run"]

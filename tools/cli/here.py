# SPDX-License-Identifier: GPL-2.0-only
"""pnode run --here: the suite on the booted machine, without guests."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import dialect, machine, pace
from helpers.testmod.constants import Ops
from tools.certificate import profile
from tools.cli import session
from tools.cli.collect import Collected
from tools.cli.session import Setting
from tools.cli.subject import Subject
from tools.errors import UserError
from tools.hardware import guard, targets
from tools.hardware import plan as plans
from tools.hardware.plan import Hardware
from tools.kernel import tree

NAME = "here"
LOADED = Path("/sys/module/pnode_test")
_VERMAGIC = re.compile(rb"\0vermagic=(?P<release>\S+) ")


@dataclass(frozen=True)
class Wish:
    """What --here was given."""

    dax: tuple[str, ...] = ()
    node: int | None = None
    profile: Path | None = None
    module: Path | None = None
    allow_disruptive: bool = False


@dataclass(frozen=True)
class RunningKernel(Subject):
    """The booted kernel; its image is not known. prebuilt: a test module that was built elsewhere."""

    prebuilt: Path | None = None

    def event(self) -> dict[str, str | None]:
        return {
            "release": self.release,
            "version": self.version,
            "architecture": os.uname().machine,
            **self.configuration(),
        }

    def module(self) -> Path:
        return self.prebuilt or super().module()


def subject(build_dir: Path | None, prebuilt: Path | None = None) -> Subject:
    """Return the running kernel. Raises UserError without root, private nodes, or a way to the module."""
    if os.geteuid() != 0:
        raise UserError("--here needs root: it loads a module and plugs memory")
    uname = os.uname()
    if reason := dialect.refusal(dialect.detect_dialect(), dialect.signs()):
        raise session.UnfitKernel(f"kernel {uname.release} {reason}")
    version = f"{uname.release} {uname.version}"
    if prebuilt is not None:
        require_module(prebuilt, uname.release)
        return RunningKernel(Path("/proc/version"), build_dir, uname.release, version, prebuilt=prebuilt)
    build_dir = build_dir or Path("/lib/modules", uname.release, "build")
    tree.require_build_dir(build_dir)
    tree.require_api(build_dir)
    if tree.release(build_dir) != uname.release:
        raise UserError(
            f"--build {build_dir} is for {tree.release(build_dir)}, this machine runs {uname.release}"
        )
    return RunningKernel(Path("/proc/version"), build_dir, uname.release, version)


def require_module(path: Path, release: str) -> None:
    """Raise UserError unless the file is a module for this release."""
    try:
        found = _VERMAGIC.search(path.read_bytes())
    except OSError as error:
        raise UserError(f"--module {path}: {error.strerror}") from None
    if found is None:
        raise UserError(f"--module {path}: not a kernel module")
    built_for = found["release"].decode(errors="replace")
    if built_for != release:
        raise UserError(f"--module {path} is for {built_for}, this machine runs {release}")


def hardware(wish: Wish) -> Hardware:
    """Look at what is to be tested; nothing is touched. Raises UserError for what may not be touched."""
    guard.refuse_unmended()
    if LOADED.exists():
        raise UserError(
            "the module pnode_test is loaded already, perhaps by another run; rmmod pnode_test first"
        )
    plans.require_idle_swap(wish.allow_disruptive)
    if wish.dax:
        return Hardware(tuple(targets.spare(wish.dax)), None, wish.allow_disruptive)
    return Hardware((), targets.provisioned(wish.node, _declared(wish.profile)), wish.allow_disruptive)


def _declared(path: Path | None) -> Ops | None:
    """The services that a profile says are open; its device has to be this machine's. Raises UserError."""
    if path is None:
        return None
    said = profile.load(path)
    if problem := next(said.mismatches(machine.devices()), None):
        raise UserError(problem)
    flags = Ops.NONE
    for name in said.flags:
        flags |= Ops[name]
    return flags


def run(module: Path, tests: Sequence[Collected], setting: Setting, wish: Wish) -> None:
    """Run the tests in this process; everything that happens goes into the log."""
    found = hardware(wish)
    setting.announce(dialect.detect_dialect())
    with guard.taken(list(found.targets), module, setting.run_dir):
        session.log_machine(setting.log, NAME, None, machine.told())
        factor = pace.factor(pace.measure())
        soft = f"--timeout={setting.deadline * session.SOFT * factor:g}"
        words = [*session.common_arguments(), soft, *setting.words(NAME, tests)]
        env = found.environment() | {pace.VARIABLE: str(factor)}
        try:
            session.session(words, [setting.plugin(NAME, None, tests, factor)], env)
        except Exception as error:
            # A test that ^C has cut off in the middle leaves what its fixtures then complain about.
            if not any(event.get("kind") == "interrupted" for event in setting.log.events):
                raise
            session.say(f"what the interrupted test left: {error}")

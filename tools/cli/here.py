# SPDX-License-Identifier: GPL-2.0-only
"""pnode run --here: the suite on the booted machine, without guests."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from helpers import dialect, machine, pace
from tools.cli import session
from tools.cli.collect import Collected
from tools.cli.session import Setting
from tools.cli.subject import Subject
from tools.errors import UserError
from tools.kernel import tree
from tools.process import run as run_program

NAME = "here"
LOADED = Path("/sys/module/pnode_test")


def environment(allow_disruptive: bool) -> dict[str, str]:
    """Return what tells pytest that it runs on a machine that others may use."""
    return {"PNODE_TOPOLOGY": NAME, "PNODE_ALLOW_DISRUPTIVE": "1" if allow_disruptive else ""}


class RunningKernel(Subject):
    """The booted kernel; its image is not known."""

    def event(self) -> dict[str, str | None]:
        return {
            "release": self.release,
            "version": self.version,
            "architecture": os.uname().machine,
            **self.configuration(),
        }


def subject(build_dir: Path | None) -> Subject:
    """Return the running kernel. Raises UserError without root, private nodes or a build directory."""
    if os.geteuid() != 0:
        raise UserError("--here needs root: it loads a module and plugs memory")
    uname = os.uname()
    if reason := dialect.refusal(dialect.detect_dialect(), dialect.signs()):
        raise session.UnfitKernel(f"kernel {uname.release} {reason}")
    build_dir = build_dir or Path("/lib/modules", uname.release, "build")
    tree.require_build_dir(build_dir)
    tree.require_api(build_dir)
    if tree.release(build_dir) != uname.release:
        raise UserError(
            f"--build {build_dir} is for {tree.release(build_dir)}, this machine runs {uname.release}"
        )
    return RunningKernel(Path("/proc/version"), build_dir, uname.release, f"{uname.release} {uname.version}")


@contextmanager
def loaded(module: Path) -> Iterator[None]:
    """Load the test module, and take it out again. Raises UserError when the kernel refuses it."""
    if LOADED.exists():
        raise UserError(
            "the module pnode_test is loaded already, perhaps by another run; rmmod pnode_test first"
        )
    run_program(["insmod", module], "loading the test module")
    try:
        yield
    finally:
        # What a test left plugged keeps it busy; that test has failed for it already.
        subprocess.run(["rmmod", "pnode_test"], capture_output=True)


def run(module: Path, tests: Sequence[Collected], setting: Setting, allow_disruptive: bool) -> None:
    """Run the tests in this process; everything that happens goes into the log."""
    setting.announce(dialect.detect_dialect())
    with loaded(module):
        session.log_machine(setting.log, NAME, None, machine.told())
        factor = pace.factor(pace.measure())
        soft = f"--timeout={setting.deadline * session.SOFT * factor:g}"
        words = [*session.common_arguments(), soft, *setting.words(NAME, tests)]
        env = environment(allow_disruptive) | {pace.VARIABLE: str(factor)}
        session.session(words, setting.plugin(NAME, None, tests, factor), env)

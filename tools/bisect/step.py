# SPDX-License-Identifier: GPL-2.0-only
"""One step: builds what is checked out, certifies one requirement of it in one guest, and judges."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from tools.bisect.judgement import Code, Judgement, of_run
from tools.bisect.repository import Repository
from tools.cli import subject
from tools.cli.certify import Done, Request, certify
from tools.errors import UserError
from tools.kernel import build, config, flavour, image, tree
from tools.kernel.errors import BuildError
from tools.paths import cache_dir
from tools.progress import for_terminal
from tools.report.events import FILE, read

TOPOLOGY = "fast"
NO_SERIES, NO_BUILD = "no private nodes", "no build"


@dataclass(frozen=True)
class Job:
    """What is judged, the same for every commit."""

    requirement: str  # as --req takes it
    requirements: tuple[str, ...]  # the ids that it means
    topology: str = TOPOLOGY
    keyword: str | None = None  # as pytest -k
    flavour: str = flavour.DEFAULT
    fragment: Path | None = None  # options on top of the flavour's
    repeat: int = 1
    jobs: int | None = None
    output: Path | None = None  # where the directories of the runs go

    @property
    def words(self) -> list[str]:
        """The arguments of the command line that mean this job, paths absolute."""
        words = [self.requirement]
        for option, value in (
            ("--topology", self.topology if self.topology != TOPOLOGY else None),
            ("-k", self.keyword),
            ("--flavour", self.flavour if self.flavour != flavour.DEFAULT else None),
            ("--config", self.fragment and self.fragment.resolve()),
            ("--repeat", self.repeat if self.repeat > 1 else None),
            ("--jobs", self.jobs),
        ):
            words += [option, str(value)] if value else []
        return words

    def options(self) -> dict[str, str]:
        """Return option -> value of the configuration. Raises UserError for a bad fragment."""
        wanted = flavour.load(self.flavour).options()
        if self.fragment is None:
            return wanted
        try:
            return wanted | config.parse(self.fragment.read_text(), str(self.fragment))
        except OSError as error:
            raise UserError(f"--config {self.fragment}: {error.strerror}") from error

    def request(self, objects: Path) -> Request:
        """Return the run that judges the kernel built in a directory."""
        chosen = ["--req", self.requirement]
        chosen += ["-k", self.keyword] if self.keyword else []
        chosen += [f"--repeat={self.repeat}"] if self.repeat > 1 else []
        return Request(
            build=objects,
            flavour=self.flavour,
            topologies=(self.topology,),
            guests=1,
            requirements=(self.requirement,),
            selection=tuple(chosen),
            repeat=self.repeat,
            output=self.output,
            argv=("run", "--build", str(objects), "--flavour", self.flavour, *chosen),
        )


def say(text: str) -> None:
    """Tell people what goes on."""
    print(f"pnode: bisect: {text}", file=sys.stderr, flush=True)


def judge(
    job: Job, checkout: Repository, objects: Path, run: Callable[[Request], Done] = certify
) -> Judgement:
    """Judge the commit that is checked out; its kernel is built in `objects`.

    Raises UserError when the machine is the reason that nothing can be said (full disk, no QEMU), and
    KeyboardInterrupt.
    """
    began = time.monotonic()
    commit = checkout.head()
    left = checkout.steps_left()
    subject_line = checkout.subject(commit)
    say(f"{commit[:12]} [{subject_line}]{'' if left is None else f', about {left} more after it'}")
    try:
        with _alone(objects):
            code, verdict, reason, run_dir = _examine(job, checkout, objects, commit, run)
    except BuildError as error:
        code, verdict, reason, run_dir = Code.SKIP, NO_BUILD, _line(error), None
    seconds = round(time.monotonic() - began, 1)
    found = Judgement(commit, subject_line, code, verdict, reason, run_dir, seconds)
    say(found.line)
    return found


def _examine(
    job: Job, checkout: Repository, objects: Path, commit: str, run: Callable[[Request], Done]
) -> tuple[Code, str, str, str | None]:
    if not (checkout.path / tree.API_HEADER).is_file():
        return Code.SKIP, NO_SERIES, f"no {tree.API_HEADER}", None
    log = cache_dir("logs") / f"bisect-{commit[:12]}.log"
    log.write_text(f"# {checkout.path}, {commit}\n")
    with for_terminal() as progress:
        kind = flavour.load(job.flavour)
        build.checked_out(checkout.path, objects, job.options(), kind, progress, log, job.jobs)
    built = objects / subject.BUILT_IMAGE
    try:
        image.inspect(built)
        kernel = subject.check_paths(None, objects, job.flavour)
    except UserError as error:
        raise BuildError(str(error)) from error
    assert kernel is not None
    kernel.module()
    with _apart(log):
        done = run(job.request(objects))
    if any(event.get("kind") == "interrupted" for event in done.verdict.problems):
        raise KeyboardInterrupt
    events = read(done.run_dir / FILE).events
    return *of_run(done.verdict, job.requirements, events), str(done.run_dir)


@contextlib.contextmanager
def _alone(objects: Path) -> Iterator[None]:
    """Keep another step out of the same objects: that of a pnode that was killed goes on to its end."""
    lock = FileLock(f"{objects}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another step is at work in {objects}; let it end") from None
    try:
        yield
    finally:
        lock.release()


def _line(error: Exception) -> str:
    """An error as one line; lost options are one a line otherwise."""
    return " ".join(str(error).split())


@contextlib.contextmanager
def _apart(log: Path) -> Iterator[None]:
    """Send all that this process and its children print into a file: a step is one line on the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with log.open("ab") as stream:
        try:
            for number in (1, 2):
                os.dup2(stream.fileno(), number)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)

# SPDX-License-Identifier: GPL-2.0-only
"""One session with faults, in a process of its own: what is done to it must not harm who watches.

python -m tools.chaos.inner SPEC ANSWER

SPEC is JSON, see Spec. ANSWER is written at the end, also JSON: the exit status, and the events as the runner
had them in memory, since a disk may be full. When it is missing, the runner did not come to its end.
"""

from __future__ import annotations

import io
import json
import signal
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tools import output
from tools.chaos import data
from tools.chaos.host import Injector
from tools.chaos.plan import TEST, Session
from tools.cli import session
from tools.cli.version import suite_version
from tools.guest import pool
from tools.guest import topology as topologies
from tools.guest.errors import GuestError
from tools.guest.spec import GuestSpec
from tools.paths import ROOT
from tools.report import ControllerPlugin, RunLog, finish
from tools.report.events import FILE, SCHEMA, Event
from tools.report.live import Live

TOPOLOGY = "fast"
#: Seconds of a test until it is ended in its guest, and with its guest. A good one takes a tenth of one.
SOFT, HARD = 3.0, 6.0
STANDSTILL = 120.0
#: A console with more than this ends its guest.
CONSOLE_BYTES = 1 << 20
INSIDE = Path(__file__).with_name("inside")
CHAOS_MODULE = "/pnode/pnode_chaos.ko"


@dataclass(frozen=True)
class Spec:
    """What to do: names of the faults of all tests in order, and where. Paths as text."""

    run_dir: str
    faults: tuple[str, ...]
    guests: int
    image: str
    module: str
    chaos: str

    def session(self) -> Session:
        """The session as it was planned."""
        known = data.load()
        return Session(tuple(known.get(name, data.GOOD) for name in self.faults))

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))


class Progress(Live):
    """A line on standard error for each fault that was seen."""

    def __init__(self, total: int) -> None:
        self._done, self._total = 0, total

    def result(self, test: Event) -> None:
        name = str(test["nodeid"]).partition("-")[2].rstrip("]")
        if name != data.GOOD.name:
            self._done += 1
            seen = " ".join(str(word) for word in (test["outcome"], test["kind"]) if word)
            session.say(f"[{self._done:{len(str(self._total))}}/{self._total}] {name}: {seen}")

    def note(self, message: str) -> None:
        session.say(message)


def guest_spec(spec: Spec, planned: Session) -> GuestSpec:
    """What to boot: a guest as in any run, and the tests that misbehave."""
    files = {str(path): path for path in sorted(INSIDE.glob("*.py"))}
    plan = [(fault.name, fault.phase) for fault in planned.faults]
    place = topologies.load(TOPOLOGY)
    return GuestSpec(
        topology=replace(place, online=place.vcpus),  # one CPU that spins is not all
        kernel=Path(spec.image),
        module=Path(spec.module),
        env={"PNODE_CHAOS": json.dumps(plan)},
        extra={**files, CHAOS_MODULE: Path(spec.chaos)},
        console_bytes=CONSOLE_BYTES,
    )


def run(spec: Spec) -> tuple[int, list[Event]]:
    """Run the session; return the exit status and the events. Raises GuestError when no guest comes up."""
    planned, run_dir = spec.session(), Path(spec.run_dir)
    faults = dict(zip(planned.nodeids(), planned.faults, strict=True))
    with RunLog(run_dir / FILE) as log:
        with pool.start(guest_spec(spec, planned), spec.guests, run_dir) as running:
            log.write(
                "run-start",
                schema=SCHEMA,
                run=run_dir.name,
                suite=suite_version(),
                kernel={"release": running.record["release"], "image": spec.image},
                topologies=[TOPOLOGY],
                argv=["chaos", *spec.faults],
                dialect=running.record["dialect"],
            )
            pace = running.pace
            session.say(f"{spec.guests} guests up under {running.accel.name}{session.slow(pace)}")
            plugin = ControllerPlugin(
                log,
                (),
                TOPOLOGY,
                run_dir,
                Progress(planned.injected),
                HARD * pace,
                silence=(HARD + STANDSTILL) * pace,
                accel=running.accel.name,
                patience=pace,
            )
            injector = Injector(plugin.running, faults, run_dir)
            injector.start()
            words = [
                *session.common_arguments(),
                *session.distribution(2 * len(faults) + 2),
                *(word for tx in running.tx() for word in ("--tx", tx)),
                *(f"--timeout={SOFT * pace:g}", str(ROOT / TEST.partition("::")[0])),
            ]
            session.session(words, [plugin], session.environment(running.spec.topology))
            injector.stop()
        return finish(run_dir, log=log, stream=io.StringIO()), list(log.events)


def main(argv: list[str]) -> int:
    """Do what SPEC says. Exit status 0 when the session came to its end, whatever was seen."""
    # A shell that starts us in the background has us ignore ^C, and one of the faults is just that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    spec, answer = Spec(**json.loads(Path(argv[0]).read_text())), Path(argv[1])
    try:
        status, events = run(spec)
    except GuestError as error:
        session.say(str(error))
        return 2
    answer.write_text(json.dumps({"status": status, "events": events}, default=str))
    return 0


if __name__ == "__main__":
    output.install()
    sys.exit(main(sys.argv[1:]))

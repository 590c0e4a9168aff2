# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin that turns a session into events.

One instance serves one session: on the controller of pytest-xdist, whose workers are guests (instances are
not forwarded to workers), or in an ordinary pytest that runs the tests in this process. It decides nothing
about requirements; see verdict.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO, cast

import pytest

from helpers.allowed import Allowed
from tools.report.consoles import Part
from tools.report.crash import KERNEL_DEATHS, Death, boot_directory, boot_number, examine
from tools.report.events import Kind, Outcome, RunLog, clip, last_line
from tools.report.live import Live
from tools.report.merge import LONGREPR_LIMIT, Merged
from tools.report.problems import Problems
from tools.report.rescue import Hang, Inquest, Kill, Rescue, kill_guest, look_into
from tools.report.results import Results
from tools.report.sink import Sink
from tools.report.splats import Splats
from tools.report.watchdog import Watchdog
from tools.report.workers import Running, Workers, guard_replacement, slot_of

__all__ = ["ControllerPlugin"]


class ControllerPlugin:
    """Writes events to `log` and progress to `live`.

    catalogue     known requirement ids
    deadline      seconds a test may run (setup to teardown) before its guest is killed; deadlines: of single
                  tests, by nodeid, which have one of their own
    silence       seconds in which nothing at all happens before the guests are killed; after `grace` more the
                  session is ended; it must exceed the deadline plus the time a guest may take to boot
    requirements  ids by nodeid, of a collection on the host; what is missing is read from the tests' source
    allowed       splats outside tests that are no finding
    patience      how many times as slow as usual the guests are
    kill          ends the guest of a slot, inquest finds out first what hangs in it; abort ends the process
                  when nothing else helped
    """

    def __init__(
        self,
        log: RunLog,
        catalogue: Iterable[str],
        topology: str,
        run_dir: Path,
        live: Live | None = None,
        deadline: float = 120.0,
        *,
        silence: float | None = None,
        grace: float = 30.0,
        deadlines: Mapping[str, float] | None = None,
        accel: str | None = None,
        requirements: Mapping[str, Sequence[str]] | None = None,
        allowed: Sequence[Allowed] = (),
        patience: float = 1.0,
        kill: Kill = kill_guest,
        inquest: Inquest | None = None,
        abort: Callable[[], None] | None = None,
    ) -> None:
        self.log, self.topology, self.run_dir = log, topology, run_dir
        self.live = live or Live()
        self._accel = accel
        self._splats = Splats(log, topology, run_dir, allowed)
        self._results = Results(log, self.live, topology, catalogue, requirements or {}, self._splats)
        self._dsession: Any = None
        self._distributed = False
        self._slots: set[int] = set()
        self._workers = Workers()
        self._deaths: dict[Any, Death] = {}
        self._last_parts: dict[Any, Part | None] = {}
        self._hangs: dict[Any, Hang] = {}
        self._requeued: set[str] = set()
        self._problems = Problems(log, self.live, topology)
        own = dict(deadlines or {})

        def seconds(nodeid: str) -> float:
            return own.get(nodeid, deadline)

        self._rescue = Rescue(
            log,
            run_dir,
            self._problems,
            deadline=seconds,
            grace=grace,
            kill=kill,
            inquest=inquest or look_into(patience),
            runs=self._workers.runs,
            stuck=self._on_stuck,
            abort=abort,
        )
        self._watchdog = Watchdog(
            self._workers,
            deadline=seconds,
            silence=silence or deadline + 180,
            grace=grace,
            overdue=lambda running: self._rescue.overdue(running, distributed=self._distributed),
            silent=lambda: self._rescue.silent(self._slots),
            tick=self.live.tick,
            interval=min(0.5, *(limit / 10 for limit in (deadline, *own.values()))),
        )

    def running(self) -> list[Running]:
        """The tests that run now, as their guests told."""
        return self._workers.running()

    # --- session
    # ------------------------------------------------------------------------------------------------

    @pytest.hookimpl
    def pytest_plugin_registered(self, plugin: object, plugin_name: str) -> None:
        """Send pytest's own output to a file beside the results: the terminal shows progress and a table."""
        if plugin_name == "terminalreporter" and isinstance(plugin, pytest.TerminalReporter):
            file = Sink(self.run_dir / f"pytest-{self.topology}.log")
            # Nothing was written yet: begin anew, on another file.
            config = plugin.config
            plugin.__init__(config, cast(TextIO, file))
            config.add_cleanup(file.close)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Find out whether workers run the tests, and start the clock."""
        self._results.root = session.config.rootpath
        self._dsession = session.config.pluginmanager.get_plugin("dsession")
        self._distributed = self._dsession is not None
        if self._distributed:
            guard_replacement(self._dsession, self._on_boot_failure)
        specs = session.config.getoption("tx", None) or []
        self.log.write("session-start", topology=self.topology, slots=len(specs) or 1, accel=self._accel)
        self.live.session(self.topology, len(specs) or 1)
        self._workers.alive()
        self._watchdog.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Stop the clock, and say why the session ended when it was not by itself."""
        error = sys.exception()  # pytest finishes the session while a usage error is on its way out
        if isinstance(error, pytest.UsageError):
            self._problems.add("usage", str(error))
        exhausted = getattr(self._dsession, "_summary_report", None)
        if exhausted:
            self._problems.add("guest", f"guests were lost too often: {exhausted}")
        self._watchdog.stop()
        self._rescue.ended.set()
        try:
            yield
        finally:
            self._splats.finish()
            self.log.write("session-end", topology=self.topology, exitstatus=int(exitstatus))
            self.live.end()

    def guests_gone(self) -> None:
        """The guests are off: record what their kernels said on the way."""
        self._splats.finish()

    @pytest.hookimpl
    def pytest_xdist_newgateway(self) -> None:
        """A guest's interpreter answered."""
        self._workers.alive()

    @pytest.hookimpl
    def pytest_configure_node(self, node: Any) -> None:
        """Listen to a new worker."""
        slot = slot_of(node)
        if slot is not None:
            self._slots.add(slot)
        self._workers.tap(node)

    @pytest.hookimpl
    def pytest_testnodeready(self, node: Any) -> None:
        """A guest is ready to collect."""
        slot = slot_of(node)
        self._guest(slot, "up", boot=boot_number(boot_directory(self.run_dir, slot)))

    def _guest(self, slot: int | None, state: str, **details: object) -> None:
        fields: dict[str, object] = {"boot": None, "kind": None, "reason": None, "console": None, **details}
        self.log.write("guest", topology=self.topology, slot=slot, state=state, **fields)

    @pytest.hookimpl
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """The plan: what the first guest collected."""
        self._results.plan(ids)

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The plan, when the tests run in this process."""
        for item in session.items:
            ids = [str(value) for name, value in item.user_properties if name == "requirement"]
            self._results.learn(item.nodeid, ids)
        self._results.plan([item.nodeid for item in session.items])

    # --- problems
    # -----------------------------------------------------------------------------------------------

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A test file that cannot be imported."""
        if report.failed:
            lines = [line for line in str(report.longrepr).splitlines() if line.strip()]
            errors = [line[1:].strip() for line in lines if line.startswith("E ")]
            self._problems.add("collection", f"{report.nodeid}: {(errors or lines or ['failed'])[0]}")

    @pytest.hookimpl
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """^C, or pytest-xdist ending a session early."""
        text = str(excinfo.value)
        if text == "no guest left":
            self._problems.add("guest", "no guest is left to run the remaining tests")
        elif type(excinfo.value) is KeyboardInterrupt:
            self._problems.add("interrupted", "interrupted; tests without a result are reported as MISS")
        else:
            self._problems.add("interrupted", f"stopped: {text}")
        self._rescue.give_up(self._slots)

    @pytest.hookimpl
    def pytest_internalerror(self, excrepr: object, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        """Something broke outside any test. True: pytest prints no traceback, its log file has it."""
        refused = self._workers.refusal()
        if refused is not None:
            self._problems.add("usage", refused)
        else:
            what = str(excinfo.value).partition("\n")[0]
            self._problems.add("internal", f"pytest broke: {excinfo.typename}: {what}")
        return True

    # --- tests
    # --------------------------------------------------------------------------------------------------

    @pytest.hookimpl
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test starts."""
        if not self._distributed:
            self._workers.start(None, nodeid, None)
        running = self._workers.started(nodeid)
        self.log.write(
            "test-start",
            topology=self.topology,
            nodeid=nodeid,
            slot=running.slot if running else None,
            **({"time": round(running.started, 3)} if running else {}),
        )

    @pytest.hookimpl
    def pytest_runtest_logfinish(self) -> None:
        """A test that runs in this process ended."""
        if not self._distributed:
            self._workers.finish(None)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the phases of a test; the last one completes it."""
        if str(report.when) == "???":  # pytest-xdist's own report for a worker that went away
            self._on_crash(report)
            return
        node = getattr(report, "node", None)
        self._results.add(report, slot=slot_of(node) if node else None)

    # --- guests that went away
    # ----------------------------------------------------------------------------------

    @pytest.hookimpl
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """A worker ended; with an error, its guest is lost."""
        slot = slot_of(node)
        if not error:
            self._guest(slot, "down")
            return
        cut = self._workers.cut_short(node)
        running = cut.nodeid if cut is not None and not self._results.has(cut.nodeid) else None
        if slot is not None and self._workers.given_up(node):
            self._rescue.end(slot, str(error))
        hang = self._rescue.hang_of(slot)
        if hang is not None:
            self._hangs[node] = hang
            if hang.nodeid is not None and hang.nodeid != running:
                running = None  # it had just ended, and the next one was hit
        death = examine(self.run_dir, slot, *((hang.finding, hang.nodeid) if hang else ()))
        self._last_parts[node] = self._splats.guest_ended(slot, running, fatal=death.kind in KERNEL_DEATHS)
        if death.kind is Kind.GUEST_LOST and "Not properly terminated" not in str(error):
            # The worker's own last words, e.g. a module it could not import.
            death = replace(death, reason=last_line(error))
        self._deaths[node] = death
        self._guest(
            slot,
            "lost",
            boot=death.boot,
            kind=death.kind,
            reason=death.reason,
            console=death.console,
            nodeid=running,
            after=self._workers.last_finished(node) or (cut.nodeid if cut else None),
            excerpt=death.excerpt,
        )
        where = f"guest slot{slot}" if slot is not None else f"worker {node.gateway.id}"
        console = f"; console: {death.console}" if death.console else ""
        self.live.note(f"{where} lost ({death.kind}): {death.reason}{console}")

    @pytest.hookimpl
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport, sched: Any) -> None:
        """Give a test back that was only next in line when the guest went away: it had not started, or the
        guest was ended on account of the one before."""
        node = getattr(report, "node", None)
        cut, hang = self._workers.cut_short(node), self._hangs.get(node)
        innocent = cut is None or cut.nodeid != crashitem
        innocent = innocent or (hang is not None and hang.nodeid not in (None, crashitem))
        if innocent and not self._results.has(crashitem):
            self._results.forget(crashitem)
            self._requeued.add(crashitem)
            sched.mark_test_pending(crashitem)

    def _on_crash(self, report: pytest.TestReport) -> None:
        if report.nodeid in self._requeued:
            self._requeued.discard(report.nodeid)
            return
        node = getattr(report, "node", None)
        death = self._deaths.get(node) or Death(Kind.GUEST_LOST, str(report.longrepr))
        running = self._workers.started(report.nodeid)
        before = self._results.before(report.nodeid)
        text = f"{death.reason}\n\n{death.excerpt}" if death.excerpt else death.reason
        if before.longrepr:
            text += f"\n\nReported before the guest went away:\n{before.longrepr}"
        part = self._last_parts.get(node)
        said = [["kernel log", clip(part.text, LONGREPR_LIMIT)]] if part is not None else []
        merged = Merged(
            Outcome.FAIL if before.outcome is Outcome.FAIL else death.outcome,
            death.kind,
            f"{death.kind}: {death.reason}",
            text,
            round(self._workers.last_message - running.since, 6) if running else 0.0,
            before.phases,
            before.properties,
            [*before.sections, *said],
        )
        self._results.complete(report.nodeid, merged, slot=slot_of(node), death=death)

    def _on_boot_failure(self, node: Any, error: BaseException) -> None:
        slot = slot_of(node)
        name = f"slot{slot}" if slot is not None else str(node.gateway.id)
        self._problems.add("guest", f"guest {name} could not be replaced: {last_line(error)}")

    def _on_stuck(self, nodeid: str, reason: str, stack: str) -> None:
        text = f"{reason}\n\n{stack}"
        message = f"{Kind.TEST_HANG}: {reason}"
        merged = Merged(Outcome.FAIL, Kind.TEST_HANG, message, text, self._rescue.deadline(nodeid))
        self._results.complete(nodeid, merged, slot=None)

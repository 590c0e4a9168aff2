# SPDX-License-Identifier: GPL-2.0-only
"""The plan and the results of a session, written as events: each planned test once, each result once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tools.known import Entry
from tools.known.judge import entries_of, recognise
from tools.report.crash import Death
from tools.report.events import Event, RunLog
from tools.report.live import Live
from tools.report.merge import Merged, merge
from tools.report.outcomes import of_event
from tools.report.requirements import requirements_in_source
from tools.report.splats import Splats

__all__ = ["Results"]


class Results:
    """Collects the reports of each test until it is complete.

    catalogue     known requirement ids
    requirements  ids by nodeid, of a collection elsewhere; what is missing is read from the tests' source
                  below `root`
    splats        takes what the kernel complained about
    """

    def __init__(
        self,
        log: RunLog,
        live: Live,
        topology: str,
        catalogue: Iterable[str],
        requirements: Mapping[str, Sequence[str]],
        splats: Splats,
    ) -> None:
        self.root = Path.cwd()
        self._log, self._live, self._topology, self._splats = log, live, topology, splats
        self._known = frozenset(catalogue)
        self._requirements = {nodeid: list(ids) for nodeid, ids in requirements.items()}
        self._planned = False
        self._reports: dict[str, list[pytest.TestReport]] = {}
        self._complete: set[str] = set()
        self._exceptions: list[Entry] | None = None
        self._run: Event = {}

    def learn(self, nodeid: str, ids: Sequence[str]) -> None:
        """The test itself says what it stands for; what was known before stays."""
        self._requirements.setdefault(nodeid, list(ids))

    def plan(self, nodeids: Sequence[str]) -> None:
        """What is to run. Every guest collects the same: the first one's word counts. A run that was resumed
        has its plan already."""
        if self._planned:
            return
        self._planned = True
        if not any(
            event["event"] == "plan" and event["topology"] == self._topology for event in self._log.events
        ):
            self._log.write(
                "plan",
                topology=self._topology,
                tests=list(nodeids),
                requirements={nodeid: self._ids(nodeid) for nodeid in nodeids},
            )
        self._live.plan(len(nodeids))

    def add(self, report: pytest.TestReport, *, slot: int | None) -> None:
        """A phase of a test; the last one completes it."""
        reports = self._reports.setdefault(report.nodeid, [])
        reports.append(report)
        if report.when == "teardown":
            self.complete(report.nodeid, merge(reports), slot=slot)

    def has(self, nodeid: str) -> bool:
        """Whether the test's result is written."""
        return nodeid in self._complete

    def forget(self, nodeid: str) -> None:
        """The test will run again from its beginning: what it reported so far does not count."""
        self._reports.pop(nodeid, None)

    def before(self, nodeid: str) -> Merged:
        """What the test reported so far."""
        return merge(self._reports.get(nodeid, []))

    def complete(self, nodeid: str, merged: Merged, *, slot: int | None, death: Death | None = None) -> None:
        """Write a test's result, unless it has one."""
        self._reports.pop(nodeid, None)
        if nodeid in self._complete:
            return
        self._complete.add(nodeid)
        console, lines = self._splats.place(nodeid, slot)
        properties, splats = self._splats.of_test(nodeid, slot, merged.properties)
        entry = self._log.write(
            "test",
            topology=self._topology,
            nodeid=nodeid,
            slot=slot,
            outcome=merged.outcome,
            kind=merged.kind,
            requirements=merged.requirements or self._ids(nodeid),
            duration=merged.duration,
            phases=merged.phases,
            message=merged.message,
            longrepr=merged.longrepr,
            properties=properties,
            sections=merged.sections,
            splats=splats,
            console=death.console if death else console,
            lines=lines,
        )
        self._live.result({**entry, **self._explained(entry)})

    def _explained(self, entry: Event) -> dict[str, object]:
        """What the display says of a failure that is known. The record keeps what was seen; who judges it
        looks again."""
        if self._exceptions is None:  # the first results come after all of them are in the record
            self._exceptions = entries_of(self._log.events)
            self._run = next((event for event in self._log.events if event["event"] == "run-start"), {})
        test = of_event(entry)
        known = recognise(replace(test, nodeid=test.base), self._exceptions, self._run)
        return {"known": known.reason} if known is not None else {}

    def _ids(self, nodeid: str) -> list[str]:
        if nodeid not in self._requirements:
            found = requirements_in_source(self.root, nodeid)
            self._requirements[nodeid] = [name for name in found if not self._known or name in self._known]
        return self._requirements[nodeid]

# SPDX-License-Identifier: GPL-2.0-only
"""What the display is told of a result."""

from pathlib import Path

import pytest

from tools.report.events import FILE, Kind, Outcome, RunLog
from tools.report.live import Live
from tools.report.merge import Merged
from tools.report.results import Results
from tools.report.splats import Splats

ENTRY = {"name": "k: [[known]] 1", "table": "known", "reason": "issue 7", "match": {"test": ["a.py::test"]}}


class Told(Live):
    """Keeps what was to be shown."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def result(self, test) -> None:
        self.seen.append((test["outcome"], test.get("known")))


@pytest.mark.parametrize("nodeid", ["a.py::test", "a.py::test~2"])
def test_a_known_failure_is_told_as_known_in_every_round(tmp_path: Path, nodeid: str) -> None:
    with RunLog(tmp_path / FILE) as log:
        log.write("run-start", topologies=["fast"])
        log.write("known", entries=[{"link": "", "expires": "2031-12-31", "intermittent": False, **ENTRY}])
        told = Told()
        results = Results(log, told, "fast", (), {}, Splats(log, "fast", tmp_path))
        results.complete(nodeid, Merged(Outcome.FAIL, Kind.ASSERTION, "no page on node 1"), slot=None)
        results.complete("a.py::other", Merged(Outcome.FAIL, Kind.ASSERTION, "no page on node 1"), slot=None)
    assert told.seen == [("FAIL", "issue 7"), ("FAIL", None)]

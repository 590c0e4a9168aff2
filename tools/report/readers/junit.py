# SPDX-License-Identifier: GPL-2.0-only
"""junit.xml by junitparser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.report.events import Outcome
from tools.report.junit import case_names
from tools.report.readers.reader import Reader, Seen, installed
from tools.report.verdict import DEVIATION, Verdict

__all__ = ["JunitReader"]


class JunitReader(Reader):
    """junitparser."""

    name, file = "junit", "junit.xml"

    def version(self) -> str:
        return installed("junitparser")

    def read(self, path: Path) -> Seen:
        from junitparser import Error, Failure, JUnitXml, Skipped

        seen = Seen()
        for suite in JUnitXml.fromfile(str(path)):
            found = {Error: 0, Failure: 0, Skipped: 0}
            cases = list(suite)
            for case in cases:
                name = f"{case.classname} {case.name}"
                for result in case.result:
                    found[type(result)] += 1
                if len(case.result) > 1:
                    seen.complaints.append(f"{name}: {len(case.result)} results")
                word = _word(case)
                seen.test(name, word)
                _properties(seen, name, word, case)
            seen.count(f"suite {suite.name}: tests", suite.tests, len(cases))
            for kind, claimed in (
                (Error, suite.errors),
                (Failure, suite.failures),
                (Skipped, suite.skipped),
            ):
                seen.count(f"suite {suite.name}: {kind.__name__}", claimed, found[kind])
        return seen

    def ours(self, verdict: Verdict) -> Seen:
        mine = Seen()
        names = case_names(verdict.cases)
        for test in verdict.cases:
            mine.test(" ".join(names[test.topology, test.nodeid]), verdict.word(test))
        return mine


def _word(case: Any) -> str:
    """The verdict, from what the elements of the format say: failure, error, skipped and their types."""
    from junitparser import Error, Failure

    if not case.result:
        return str(Outcome.PASS)
    result = case.result[0]
    if isinstance(result, Failure):
        return {"flaky": str(Outcome.FLAKY), "deviation": DEVIATION}.get(result.type, str(Outcome.FAIL))
    if isinstance(result, Error):
        return str(Outcome.MISS if result.type == "miss" else Outcome.ERROR)
    return str(Outcome.KNOWN if result.type == "known" else Outcome.SKIP)


def _properties(seen: Seen, name: str, word: str, case: Any) -> None:
    """The same once more, from the properties that we add."""
    from junitparser import Properties

    told = {entry.name: entry.value for entry in case.child(Properties) or ()}
    outcome = str(Outcome.FAIL) if word == DEVIATION else word
    if told.get("outcome") != outcome:
        seen.complaints.append(f"{name}: is {outcome}, its property says {told.get('outcome')}")
    if word == DEVIATION and told.get("level") != "should":
        seen.complaints.append(f"{name}: a deviation of level {told.get('level')}")

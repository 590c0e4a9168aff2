# SPDX-License-Identifier: GPL-2.0-only
"""Everything that is not PASS, with what a maintainer asks next: what was seen, where, and how to see it
again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tools.report.events import Outcome
from tools.report.html.words import STATUSES, Levels, plain
from tools.report.summary import rerun_command
from tools.report.verdict import NEVER_STARTED, RequirementVerdict, TestVerdict, Verdict

__all__ = ["Finding", "Part", "Waiting", "anchors_of", "findings_of", "skipped", "waiting"]

#: Characters of one text (a traceback, a log), and of all of them: a kernel on which everything fails still
#: has to give a page that a browser opens. What is left out is in results.jsonl.
TEXT_LIMIT = 16 * 1024
PAGE_LIMIT = 6 * 1024 * 1024
#: Sections that repeat what the page says in its own words.
_TOLD = {"requirement", "run again"}
#: Properties that have a place of their own.
_SHOWN = {"requirement", "residency", "workers"}


@dataclass(frozen=True)
class Part:
    """A text below a finding: traceback, output, kernel log."""

    title: str
    text: str

    @property
    def lines(self) -> str:
        """How many there are, in words."""
        number = self.text.rstrip("\n").count("\n") + 1
        return "1 line" if number == 1 else f"{number} lines"


@dataclass(frozen=True)
class Finding:
    """A test that did not pass. `parts` is None where the page has no room left for its texts."""

    anchor: str
    test: TestVerdict
    status: str
    chapters: tuple[str, ...]
    message: str
    requirements: tuple[RequirementVerdict, ...]
    properties: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...] | None
    again: str | None


@dataclass(frozen=True)
class Waiting:
    """Tests of a file that never began, or that were skipped for the same reason."""

    topology: str
    what: str
    status: str
    chapters: tuple[str, ...]
    tests: tuple[str, ...]


def anchors_of(verdict: Verdict) -> dict[tuple[str, str], str]:
    """Anchors of the tests that have details, by (topology, nodeid)."""
    return {
        (test.topology, test.nodeid): f"t{number}"
        for number, test in enumerate(verdict.tests)
        if _has_details(test)
    }


def findings_of(verdict: Verdict, levels: Levels, anchors: Mapping[tuple[str, str], str]) -> list[Finding]:
    """The worst first, each kind in the order of the run."""
    rows = {row.id: row for row in verdict.requirements}
    tests = [test for test in verdict.tests if (test.topology, test.nodeid) in anchors]
    tests.sort(key=lambda test: STATUSES.index(levels.status(test)))
    room = PAGE_LIMIT
    found = []
    for test in tests:
        parts: tuple[Part, ...] | None = tuple(_parts(test))
        needed = sum(len(part.text) for part in parts or ())
        if needed > room:
            parts = None
        else:
            room -= needed
        found.append(
            Finding(
                anchors[test.topology, test.nodeid],
                test,
                levels.status(test),
                _chapters([test]),
                plain(test.message, TEXT_LIMIT),
                tuple(rows[name] for name in test.requirements if name in rows),
                tuple(entry for entry in test.properties if entry[0] not in _SHOWN),
                parts,
                None if test.nodeid.startswith("guests::") else rerun_command(verdict, test),
            )
        )
    return found


def waiting(verdict: Verdict) -> list[Waiting]:
    """Tests that never began, by file: after ^C there can be hundreds."""
    tests = [test for test in verdict.tests if test.outcome is Outcome.MISS and not _has_details(test)]
    return _together((test.nodeid.partition("::")[0], test) for test in tests)


def skipped(verdict: Verdict) -> list[Waiting]:
    """Skipped tests, by reason."""
    tests = [test for test in verdict.tests if test.outcome is Outcome.SKIP]
    return _together((test.message or "no reason given", test) for test in tests)


def _together(entries: Iterable[tuple[str, TestVerdict]]) -> list[Waiting]:
    groups: dict[tuple[str, str], list[TestVerdict]] = {}
    for what, test in entries:
        groups.setdefault((test.topology, what), []).append(test)
    return [
        Waiting(topology, what, str(tests[0].outcome), _chapters(tests), tuple(test.nodeid for test in tests))
        for (topology, what), tests in groups.items()
    ]


def _chapters(tests: Iterable[TestVerdict]) -> tuple[str, ...]:
    """Every chapter that the tests stand for."""
    found = [name.partition("-")[0] for test in tests for name in test.requirements or (test.chapter,)]
    return tuple(dict.fromkeys(found))


def _has_details(test: TestVerdict) -> bool:
    return (test.bad or test.known is not None) and test.message != NEVER_STARTED


def _parts(test: TestVerdict) -> Iterator[Part]:
    if test.detail.strip():
        yield Part("what was seen", plain(test.detail, TEXT_LIMIT))
    for title, text in test.sections:
        if title not in _TOLD:
            yield Part(title, plain(text, TEXT_LIMIT))

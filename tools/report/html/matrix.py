# SPDX-License-Identifier: GPL-2.0-only
"""The matrix: requirements by chapter, topologies across, and below each requirement its tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tools.report.events import Outcome
from tools.report.html.words import DEVIATION, Levels, status_of
from tools.report.verdict import RequirementVerdict, Tally, TestVerdict, Verdict

__all__ = ["Cell", "Chapter", "Row", "TestRow", "chapters_of", "without_tests"]

Key = tuple[str, str]


@dataclass(frozen=True)
class Cell:
    """A result on one topology; `status` is empty where nothing was to run."""

    status: str = ""
    text: str = ""


@dataclass(frozen=True)
class TestRow:
    """A test of a requirement, with a result for each topology; `anchor` is of its details, if it has any."""

    name: str
    anchor: str | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Row:
    """A requirement."""

    verdict: RequirementVerdict
    status: str
    cells: tuple[Cell, ...]
    tests: tuple[TestRow, ...]


@dataclass(frozen=True)
class Chapter:
    """A chapter: `topic` is the folder that its tests lie in, `cells` how many requirements hold where."""

    name: str
    topic: str
    holding: int
    cells: tuple[Cell, ...]
    rows: tuple[Row, ...]


def chapters_of(verdict: Verdict, levels: Levels, anchors: Mapping[Key, str]) -> list[Chapter]:
    """Chapters with a test in this run. `anchors`: of the details of a test, by (topology, nodeid)."""
    tests: dict[str, dict[str, dict[str, TestVerdict]]] = {}
    for test in verdict.tests:
        for identifier in test.requirements:
            tests.setdefault(identifier, {}).setdefault(test.nodeid, {})[test.topology] = test
    chapters: dict[str, list[Row]] = {}
    topics: dict[str, Counter[str]] = {}
    for requirement in verdict.requirements:
        if requirement.outcome is Outcome.NONE:
            continue
        found = tests.get(requirement.id, {})
        chapters.setdefault(requirement.chapter, []).append(
            _row(requirement, verdict.topologies, found, levels, anchors)
        )
        folders = topics.setdefault(requirement.chapter, Counter())
        folders.update(PurePosixPath(nodeid.partition("::")[0]).parent.name for nodeid in found)
    return [_chapter(name, rows, topics[name], verdict.topologies) for name, rows in chapters.items()]


def without_tests(verdict: Verdict) -> list[str]:
    """What no test of this run stands for: a chapter's name where that is all of it, else the ids."""
    chapters: dict[str, list[RequirementVerdict]] = {}
    for row in verdict.requirements:
        chapters.setdefault(row.chapter, []).append(row)
    found = []
    for chapter, rows in chapters.items():
        without = [row.id for row in rows if row.outcome is Outcome.NONE]
        found += [chapter] if len(without) == len(rows) else without
    return found


def _chapter(name: str, rows: Sequence[Row], topics: Counter[str], topologies: Sequence[str]) -> Chapter:
    cells = []
    for index in range(len(topologies)):
        there = [row.cells[index] for row in rows if row.cells[index].status]
        holding = sum(cell.status == Outcome.PASS for cell in there)
        cells.append(_share(_worst(cell.status for cell in there), holding, len(there)))
    topic = topics.most_common(1)[0][0] if topics else ""
    return Chapter(name, topic, sum(row.status == Outcome.PASS for row in rows), tuple(cells), tuple(rows))


def _worst(statuses: Iterator[str]) -> str:
    found = set(statuses)
    order = (
        Outcome.FAIL,
        Outcome.ERROR,
        Outcome.FLAKY,
        Outcome.MISS,
        Outcome.KNOWN,
        DEVIATION,
        Outcome.PASS,
        Outcome.SKIP,
    )
    return next((str(status) for status in order if status in found), "")


def _row(
    requirement: RequirementVerdict,
    topologies: Sequence[str],
    tests: Mapping[str, Mapping[str, TestVerdict]],
    levels: Levels,
    anchors: Mapping[Key, str],
) -> Row:
    should = requirement.level == "should"
    return Row(
        requirement,
        status_of(requirement.outcome, should=should),
        tuple(_tally(requirement.by_topology.get(name, Tally()), should=should) for name in topologies),
        tuple(_test_row(nodeid, found, topologies, levels, anchors) for nodeid, found in tests.items()),
    )


def _tally(tally: Tally, *, should: bool) -> Cell:
    return _share(status_of(tally.outcome, should=should), tally.of(Outcome.PASS), tally.total)


def _share(status: str, good: int, total: int) -> Cell:
    """ "12/12", and the word where it is not PASS: colour alone must not say it."""
    if not total:
        return Cell()
    return Cell(status, f"{good}/{total}" if status == Outcome.PASS else f"{status} {good}/{total}")


def _test_row(
    nodeid: str,
    found: Mapping[str, TestVerdict],
    topologies: Sequence[str],
    levels: Levels,
    anchors: Mapping[Key, str],
) -> TestRow:
    cells = []
    for name in topologies:
        test = found.get(name)
        ran = test is not None and test.outcome is not Outcome.MISS
        cells.append(Cell(levels.status(test), f"{test.duration:.2f}" if ran else "") if test else Cell())
    anchor = next((anchors[name, nodeid] for name in topologies if (name, nodeid) in anchors), None)
    return TestRow(nodeid.removeprefix("selftests/"), anchor, tuple(cells))

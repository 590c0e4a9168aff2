# SPDX-License-Identifier: GPL-2.0-only
"""The table at the end of a run, by chapter and requirement. Nothing in it is cut off."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.known.judge import expiring
from tools.report import again, splatlines
from tools.report.events import Kind, Outcome
from tools.report.names import expression
from tools.report.verdict import (
    DEVIATES,
    HOLDS,
    INCOMPLETE,
    NEVER_PLANNED,
    NEVER_STARTED,
    RequirementVerdict,
    Tally,
    TestVerdict,
    Verdict,
)

__all__ = ["render", "rerun_command", "totals"]

WIDTH = 110
#: Lines of a failed test's message; the whole of it, with the traceback, is in junit.xml.
MESSAGE_LINES = 15
_CODES = {
    Outcome.PASS: "32",
    Outcome.FAIL: "31;1",
    Outcome.ERROR: "31",
    Outcome.MISS: "35",
    Outcome.KNOWN: "33;1",
    Outcome.SKIP: "33",
    Outcome.FLAKY: "35;1",
    Outcome.NONE: "2",
}


def render(verdict: Verdict, run_dir: Path, *, colour: bool = False) -> str:
    """The whole text. Colour codes only when asked for."""
    if not verdict.tests:
        return "\n".join([*_problems(verdict), _conclusion(verdict)]) + "\n"
    parts = [
        *_head(verdict),
        "",
        *_table(verdict, colour),
        *_expanded(verdict, run_dir, colour),
        *splatlines.render(verdict.splats),
        *_problems(verdict),
        _conclusion(verdict),
        totals(verdict),
    ]
    return "\n".join(parts) + "\n"


def totals(verdict: Verdict) -> str:
    """Tests by outcome, in the words that CI systems know from pytest."""
    counts = verdict.counts
    words = [
        f"{counts.of(Outcome.PASS)} passed",
        f"{counts.of(Outcome.FAIL)} failed",
        f"{counts.of(Outcome.SKIP)} skipped",
    ]
    errors, flaky, missed, known = (
        counts.of(one) for one in (Outcome.ERROR, Outcome.FLAKY, Outcome.MISS, Outcome.KNOWN)
    )
    if errors:
        words.append(f"{errors} {'error' if errors == 1 else 'errors'}")
    if flaky:
        words.append(f"{flaky} flaky")
    if missed:
        words.append(f"{missed} missed")
    if known:
        words.append(f"{known} known")
    return f"{', '.join(words)} in {verdict.seconds:.1f} s"


def rerun_command(verdict: Verdict, test: TestVerdict) -> str:
    """The command that runs just this test again, on the same kernel."""
    words = again.words(verdict.run, test.topology)
    if test.requirements:
        words += ["--req", test.requirements[0]]
    if scene := dict(test.properties).get("scene"):  # of the chapter STR; where a guest died there is none
        words += ["--stress-scene", scene]
    return shlex.join([*words, "-k", expression(test.nodeid)])


def _head(verdict: Verdict) -> Iterator[str]:
    kernel = verdict.run.get("kernel") or {}
    facts = [
        ("kernel", kernel.get("release")),
        ("dialect", verdict.run.get("dialect")),
        ("topology", ", ".join(verdict.topologies)),
        ("run", verdict.run.get("run")),
        ("resumed", {0: "", 1: "once"}.get(verdict.resumed, f"{verdict.resumed} times")),
    ]
    yield "; ".join(f"{name} {value}" for name, value in facts if value)


def _table(verdict: Verdict, colour: bool) -> Iterator[str]:
    rows = [row for row in verdict.requirements if row.outcome is not Outcome.NONE]
    name_width = max([len(row.id) for row in rows], default=6)
    columns = {
        topology: max(len(topology), *(len(_cell(row, topology)) for row in rows)) if rows else len(topology)
        for topology in verdict.topologies
    }
    header = "  ".join(topology.rjust(width) for topology, width in columns.items())
    word_width = max([len(row.word) for row in rows], default=0)
    word_width = max(word_width, len("verdict"))
    yield f"{'requirement':{name_width}}  level   {'verdict':{word_width}}  {header}   (tests passed/run)"
    chapter = None
    for row in rows:
        if row.chapter != chapter:
            chapter = row.chapter
            yield f"{chapter}  {_chapter_tally(rows, chapter)}"
        cells = "  ".join(_cell(row, topology).rjust(width) for topology, width in columns.items())
        mark = _paint(row.word.ljust(word_width), row.outcome, colour)
        yield f"  {row.id:{name_width}}  {row.level:6}  {mark}  {cells}".rstrip()
    without = list(_without(verdict.requirements))
    if without:
        yield from _wrapped("no test in this run: ", " ".join(without))
    unsaid = [row.id for row in rows if row.known and row.expected is None]
    if unsaid and verdict.run.get("dialect"):
        yield from _wrapped(f"no expectation for dialect {verdict.run['dialect']}: ", " ".join(unsaid))
    yield ""


def _without(rows: Iterable[RequirementVerdict]) -> Iterator[str]:
    """Requirements that no test stood for: a chapter's name where that is all of it, else the ids."""
    chapters: dict[str, list[RequirementVerdict]] = {}
    for row in rows:
        chapters.setdefault(row.chapter, []).append(row)
    for chapter, members in chapters.items():
        without = [row.id for row in members if row.outcome is Outcome.NONE]
        yield from [chapter] if len(without) == len(members) else without


def _chapter_tally(rows: Iterable[RequirementVerdict], chapter: str) -> str:
    outcomes = [row.outcome for row in rows if row.chapter == chapter]
    return f"{outcomes.count(Outcome.PASS)} of {len(outcomes)} hold"


def _cell(row: RequirementVerdict, topology: str) -> str:
    tally = row.by_topology.get(topology, Tally())
    return f"{tally.of(Outcome.PASS)}/{tally.total}" if tally.total else "-"


def _expanded(verdict: Verdict, run_dir: Path, colour: bool) -> Iterator[str]:
    rows = {row.id: row for row in verdict.requirements}
    dialect = verdict.run.get("dialect")
    missed = [test for test in verdict.tests if test.outcome is Outcome.MISS]
    for test in verdict.tests:
        if (not test.bad and test.known is None) or test.outcome is Outcome.MISS:
            continue
        level = verdict.level(test)
        kind = f", {test.kind}" if test.kind else ""
        outcome = _paint(verdict.word(test), test.outcome, colour)
        yield f"{outcome} {test.topology} {test.nodeid} ({level}{kind})"
        for identifier in test.requirements:
            row = rows.get(identifier)
            yield from _wrapped(f"  {identifier}: ", row.statement if row else "")
            if row is not None and row.expected:
                yield from _wrapped(f"    expected ({dialect}): ", row.expected)
        if test.known is not None:
            yield from _wrapped("  known: ", test.known.reason)
            yield f"    {test.known.link}, until {test.known.expires} ({test.known.name})"
        lines = [line for line in test.message.splitlines() if line.strip()]
        yield from (f"  | {line}" for line in lines[:MESSAGE_LINES])
        if len(lines) > MESSAGE_LINES:
            yield f"  | ... {len(lines) - MESSAGE_LINES} more lines in {run_dir / 'junit.xml'}"
        if test.console:
            lines_of = f", lines {test.lines[0]} to {test.lines[1]}" if test.lines else ""
            yield f"  console: {run_dir / test.console}{lines_of}"
        if not test.nodeid.startswith("guests::"):
            yield f"  again:   {rerun_command(verdict, test)}"
        yield ""
    yield from _missed(missed)
    yield from _repeated(verdict)


def _repeated(verdict: Verdict) -> Iterator[str]:
    """How often the tests ran, and how many of them gave different results."""
    number = max((test.rounds for test in verdict.tests), default=1)
    if number == 1:
        return
    seed = verdict.run.get("seed")
    order = "in the same order" if seed is None else f"shuffled by seed {seed}"
    flaky = verdict.counts.of(Outcome.FLAKY)
    changed = f"{flaky} of {verdict.counts.total} tests changed their result"
    yield f"{number} rounds, {order}: {changed if flaky else 'no result changed'}"
    yield ""


def _missed(tests: list[TestVerdict]) -> Iterator[str]:
    """Tests that were cut short by name, those that never began by file: after ^C there can be hundreds."""
    if not tests:
        return
    yield f"MISS {len(tests)} planned {'test has' if len(tests) == 1 else 'tests have'} no result:"
    waiting: dict[str, int] = {}
    for test in tests:
        if test.message == NEVER_STARTED:
            file = f"{test.topology} {test.nodeid.partition('::')[0]}"
            waiting[file] = waiting.get(file, 0) + 1
        else:
            yield f"  {test.topology} {test.nodeid}: {test.message}"
    for file, number in waiting.items():
        yield f"  {file}: {number} {NEVER_STARTED}"
    yield ""


def _problems(verdict: Verdict) -> Iterator[str]:
    for event in verdict.problems:
        yield f"pnode: {event.get('topology') or ''}: {event.get('message')}".replace(": : ", ": ")
    for topology in verdict.unplanned:
        yield f"pnode: {topology}: {NEVER_PLANNED}"
    yield from (f"pnode: {line}" for line in (*verdict.stale, *expiring(verdict.entries, verdict.run)))


def _conclusion(verdict: Verdict) -> str:
    rows = [row for row in verdict.requirements if row.outcome is not Outcome.NONE]
    must = [row for row in rows if row.level != "should"]
    holding = sum(row.outcome is Outcome.PASS for row in must)
    deviating = [row.id for row in must if row.deviates]
    lesser = [row.id for row in rows if row.level == "should" and row.deviates]
    known = [row.id for row in rows if row.outcome is Outcome.KNOWN]
    unexplained = not (verdict.problems or verdict.unplanned)
    unable = f"could not run{': no test was selected' if unexplained else ''}"
    if verdict.tests and verdict.stale:
        unable = "nothing deviates that is not known, but exceptions have outlived their reason (above)"
    missing = "the record has lost its beginning" if verdict.headless else "planned tests have no result"
    holds = "holds, or deviates as is known" if known else "holds"
    words = [
        {
            HOLDS: f"every must requirement that was tested {holds}",
            DEVIATES: f"deviation: {', '.join(deviating) or _outside(verdict)}",
            INCOMPLETE: f"incomplete: no must deviates, but {missing}",
        }.get(verdict.exit, unable)
    ]
    if known:
        words.append(f"known deviation: {', '.join(known)}")
    if lesser:
        words.append(f"deviation of level should: {', '.join(lesser)}")
    if must:
        words.append(f"{holding} of {len(must)} must requirements hold")
    return f"verdict: {'; '.join(words)}"


def _outside(verdict: Verdict) -> str:
    """What deviates where no requirement does."""
    died = any(test.kind != Kind.SPLAT for test in verdict.tests if test.outcome is Outcome.FAIL)
    return "the kernel died" if died else "the kernel complained while no test ran"


def _wrapped(first: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _paint(text: str, outcome: Outcome, colour: bool) -> str:
    return f"\x1b[{_CODES[outcome]}m{text}\x1b[0m" if colour else text

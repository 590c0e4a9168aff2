# SPDX-License-Identifier: GPL-2.0-only
"""The comparison for people: the answer in the first line, then what changed, by kind of change."""

import textwrap
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from tools.compare import expectations, policy
from tools.compare.changes import Change, RequirementChange, TestChange, first_line
from tools.compare.comparison import Comparison
from tools.compare.expectations import Expectations
from tools.compare.side import Side
from tools.report.events import Outcome
from tools.report.outcomes import NEVER_STARTED
from tools.report.verdict import DEVIATES, INCOMPLETE

WIDTH = 110
#: Sections in this order: what a maintainer acts on comes first.
ORDER = (
    Change.FAILING,
    Change.LOST,
    Change.FLAKY,
    Change.OTHERWISE,
    Change.EXCUSED,
    Change.NEW,
    Change.FIXED,
)
_NO_RESULT = "never began"
_COLLAPSED = 20  # lost or new tests of a file beyond which only their number is told


def render(found: Comparison, also: Collection[str] = ()) -> str:
    """Return the whole text."""
    lines = [conclusion(found, also), "", *_sides(found), ""]
    for change in ORDER:
        lines += _section(found, change)
    lines += _dialects(found)
    lines += _times(found)
    lines += _one_sided(found)
    lines += _same(found)
    return "\n".join(lines) + "\n"


def conclusion(found: Comparison, also: Collection[str] = ()) -> str:
    """Return the line that a maintainer wants."""
    status = policy.status(found, also)
    told = [str(finding) for finding in policy.worse(found, also)]
    besides = ", ".join(_besides(found, also))
    if status == DEVIATES:
        return f"worse: {'; '.join(told)}{f' (besides: {besides})' if besides else ''}"
    if status == INCOMPLETE:
        return f"not worse as far as it goes: {policy.incomplete(found)}{f'; {besides}' if besides else ''}"
    return f"not worse: {besides or 'nothing changed'}"


def _besides(found: Comparison, also: Collection[str]) -> Iterator[str]:
    counted = {id(test) for finding in policy.worse(found, also) for test in finding.tests}
    for change in ORDER:
        left = [test for test in found.tests_with(change) if id(test) not in counted]
        missing = sum(test.missing for test in left)
        if len(left) > missing:
            yield f"{len(left) - missing} {change}"
        if missing:
            yield f"{missing} not got to"
    if "slower" not in also and (slower := sum(time.slower for time in found.times)):
        yield f"{slower} slower"
    if faster := sum(not time.slower for time in found.times):
        yield f"{faster} faster"


def described(side: Side) -> str:
    """Return what a run was, in a line."""
    counts = side.verdict.counts
    told = ", ".join(f"{counts.of(one)} {one}" for one in Outcome if counts.of(one))
    facts = [
        str(side.kernel.get("release") or "kernel not said"),
        f"dialect {side.dialect or 'not said'}",
        f"suite {side.run.get('suite') or 'not said'}",
        ", ".join(side.verdict.topologies),
        f"{counts.total} tests: {told}",
    ]
    return "; ".join(facts)


def notes(found: Comparison) -> list[str]:
    """Return what to know before reading on: what the runs were made of, and what is missing."""
    lines = [f"{name}: {a} -> {b}" for name, (a, b) in found.differences.items()]
    if "catalogue" in found.differences:
        lines.append("levels, statements and expectations are those of the catalogue of this pnode")
    for side in (found.a, found.b):
        if side.incomplete:
            lines.append(f"{side.label} is incomplete: {side.incomplete}")
        if side.damaged:
            lines.append(f"{side.label}: {side.damaged} lines of its record are damaged")
    if found.a.path.resolve() == found.b.path.resolve():
        lines.append("A and B are the same run")
    return lines


def _sides(found: Comparison) -> Iterator[str]:
    for side in (found.a, found.b):
        yield f"{side.label}  {side.path}"
        yield f"   {described(side)}"
    yield from (f"   {line}" for line in notes(found))


def _section(found: Comparison, change: Change) -> Iterator[str]:
    tests, rows = found.tests_with(change), found.requirements_with(change)
    if not tests and not rows:
        return
    yield f"{change}: {_number(len(rows), 'requirement')}, {_number(len(tests), 'test')}"
    # Of an incomplete run there can be hundreds, all for the same reason.
    by_id = [row for row in rows if row.missing or (change is Change.NEW and len(rows) > _COLLAPSED)]
    for row in rows:
        if row not in by_id:
            yield f"  {row.id:<8} {row.level:<6} {row.arrow}"
            yield from _wrapped(f"  {'':<8} ", row.statement)
    if by_id:
        first = "  not got to: " if change is Change.LOST else "  "
        yield from _wrapped(first, " ".join(row.id for row in by_id))
    yield from _listed(tests)
    yield ""


def _listed(tests: Sequence[TestChange]) -> Iterator[str]:
    """Each test by name, but those that never began by file, and many of a file with the same reason, too."""
    files = Counter(_group(test) for test in tests)
    told: set[tuple[str, str, str]] = set()
    for test in tests:
        group = _group(test)
        most = 1 if group[2] == _NO_RESULT else _COLLAPSED
        if files[group] > most and test.change in (Change.LOST, Change.NEW):
            if group not in told:
                told.add(group)
                yield f"  {files[group]} tests of {group[0]} {group[1]}: {group[2]}"
            continue
        ids = " ".join(test.requirements)
        yield f"  {test.topology} {test.nodeid} ({', '.join(filter(None, [ids, test.level]))}) {test.arrow}"
        yield from (f"    {line}" for line in details(test))


def _group(test: TestChange) -> tuple[str, str, str]:
    reason = test.reason if not test.reason.endswith(NEVER_STARTED) else _NO_RESULT
    return test.topology, test.nodeid.partition("::")[0], reason


def details(test: TestChange) -> list[str]:
    """Return the lines below a test: why it is lost, how it fails and how it failed."""
    if test.reason:
        lines = [test.reason]
        return [*lines, _how("B", test)] if test.change is Change.NEW and first_line(test.b) else lines
    if test.change is Change.OTHERWISE or (test.change is Change.FLAKY and first_line(test.a)):
        return [_how("A", test), _how("B", test)]
    if test.change is Change.FIXED:
        return [_how("A", test)]
    return [_how("B", test)]


def _how(label: str, test: TestChange) -> str:
    verdict = test.a if label == "A" else test.b
    kind = f"{verdict.kind}: " if verdict and verdict.kind else ""
    return f"{label}: {kind}{first_line(verdict) or 'no message'}"


def _dialects(found: Comparison) -> Iterator[str]:
    if "dialect" not in found.differences:
        return
    sorted_ = expectations.sort(found)
    names = f"{found.a.dialect or 'none'} -> {found.b.dialect or 'none'}"
    yield f"expectation changed by dialect ({names}): {_number(len(sorted_.changed), 'requirement')}"
    for row in sorted_.changed:
        yield f"  {row.id:<8} {row.level:<6} {row.arrow}: {expectations.conduct(row)}"
        yield from _wrapped(f"    {found.a.dialect}: ", row.expected_a or "")
        yield from _wrapped(f"    {found.b.dialect}: ", row.expected_b or "")
    number = _number(len(sorted_.behaviour), "requirement")
    yield f"behaviour changed, and no changed expectation says so: {number}"
    yield from (_behaviour(row) for row in sorted_.behaviour)
    for first, ids in unsaid(sorted_):
        yield from _wrapped(first, ids)
    yield ""


def _behaviour(row: RequirementChange) -> str:
    return f"  {row.id:<8} {row.level:<6} {row.arrow}, {row.change}"


def unsaid(sorted_: Expectations) -> Iterator[tuple[str, str]]:
    """Yield for each dialect a beginning, and the requirements that say nothing about it."""
    for dialect, ids in sorted_.unsaid.items():
        first = f"nobody has said what dialect {dialect or 'none'} is to do: "
        yield first, f"{_number(len(ids), 'requirement')}: {' '.join(ids)}"


def _times(found: Comparison) -> Iterator[str]:
    for speed in found.speeds:
        if not speed.comparable:
            yield f"{speed.topology}: too few tests passed in both to compare durations ({speed.pairs})"
        else:
            yield f"{speed.topology}: B took {speed.factor:.2f} times as long as A, over {speed.pairs} tests"
    for word, chosen in (
        ("slower", [time for time in found.times if time.slower]),
        ("faster", [time for time in reversed(found.times) if not time.slower]),
    ):
        if chosen:
            yield f"{word} beyond noise, that factor taken out: {_number(len(chosen), 'test')}"
        for time in chosen:
            rounds = f", medians of {time.rounds[0]} and {time.rounds[1]}" if max(time.rounds) > 1 else ""
            yield (
                f"  {time.topology} {time.nodeid}: {time.a:g} s -> {time.b:g} s, "
                f"{time.factor:.2f} times as long{rounds}"
            )
    if found.speeds:
        yield ""


def _one_sided(found: Comparison) -> Iterator[str]:
    lines = one_sided(found)
    if lines:
        yield from lines
        yield ""


def one_sided(found: Comparison) -> list[str]:
    """Return what did not run in one of the runs, by reason: numbers, and what failed of it."""
    lines = []
    for change in (Change.ONLY_A, Change.ONLY_B):
        reasons: dict[str, list[TestChange]] = {}
        for test in found.tests_with(change):
            reasons.setdefault(test.reason, []).append(test)
        for reason, tests in reasons.items():
            outcomes = Counter(str((test.a or test.b).outcome) for test in tests if test.a or test.b)  # type: ignore[union-attr]
            told = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
            lines.append(f"{change}: {_number(len(tests), 'test')} ({told}): {reason}")
    return lines


def _same(found: Comparison) -> Iterator[str]:
    same = len(found.tests_with(Change.SAME))
    still = found.tests_with(Change.STILL)
    yield f"the same in both: {_number(same, 'test')}"
    if still:
        ids = dict.fromkeys(name for test in still for name in test.requirements)
        yield f"failing as before: {_number(len(still), 'test')} ({', '.join(ids)})"


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _wrapped(first: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )

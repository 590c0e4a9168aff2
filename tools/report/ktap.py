# SPDX-License-Identifier: GPL-2.0-only
"""KTAP in the two forms that are read out there.

nested() is KTAP version 1 with indented blocks (topology, chapter, test), which kunit's parser reads. flat()
has one result for each topology and chapter, and their tests in a block prefixed by "# ", as kselftest
prints: the parsers of CI systems read that, and indented blocks are invisible to them.

Both give an error or a test that never ran as "not ok"; which it was is in the lines before. A failure that
is known is "not ok" too, so that nobody takes it for a pass, with the directive by which the readers of the
form know that it does not fail the run: TODO in TAP, and SKIP for kunit's parser, which knows no other.

Names have only characters of [A-Za-z0-9_.-], and a reason is short, since one parser takes it for a part of
the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tools.report.events import Outcome
from tools.report.names import ktap_names
from tools.report.verdict import Tally, TestVerdict, Verdict

__all__ = ["flat", "nested"]

REASON_LIMIT = 60
MESSAGE_LINES = 12
INDENT = "    "
_UNPRINTABLE = re.compile(r"[^ -~]")

Blocks = dict[str, dict[str, list[TestVerdict]]]


def nested(verdict: Verdict) -> str:
    """The whole document, for kunit.py parse."""
    blocks = _blocks(verdict)
    names = ktap_names(test.nodeid for test in verdict.tests)
    lines = ["KTAP version 1", f"1..{len(blocks)}"]
    for number, (topology, chapters) in enumerate(blocks.items(), 1):
        inner = ["KTAP version 1", f"# Subtest: {topology}", f"1..{len(chapters)}"]
        for place, (chapter, tests) in enumerate(chapters.items(), 1):
            block = ["KTAP version 1", f"# Subtest: {chapter}", *_cases(tests, names, "SKIP")]
            inner += _indented(block, INDENT)
            inner.append(_result(_together(tests), place, chapter, known="SKIP"))
        lines += _indented(inner, INDENT)
        everything = [test for tests in chapters.values() for test in tests]
        lines.append(_result(_together(everything), number, topology, known="SKIP"))
    return "\n".join(lines) + "\n"


def flat(verdict: Verdict) -> str:
    """The whole document, for parsers of TAP."""
    blocks = _blocks(verdict)
    names = ktap_names(test.nodeid for test in verdict.tests)
    lines = ["TAP version 13", f"1..{sum(len(chapters) for chapters in blocks.values())}"]
    number = 0
    for topology, chapters in blocks.items():
        for chapter, tests in chapters.items():
            number += 1
            lines += _indented(["TAP version 13", *_cases(tests, names, "TODO")], "# ")
            lines.append(_result(_together(tests), number, f"{topology}.{chapter}", known="TODO"))
    return "\n".join(lines) + "\n"


def _blocks(verdict: Verdict) -> Blocks:
    blocks: Blocks = {}
    for test in verdict.tests:
        topology, chapter = _safe(test.topology), _safe(test.chapter)
        blocks.setdefault(topology, {}).setdefault(chapter, []).append(test)
    # In order of names, not of events: the same plan gives the same numbers.
    return {
        topology: {
            chapter: sorted(chapters[chapter], key=lambda test: test.nodeid) for chapter in sorted(chapters)
        }
        for topology, chapters in blocks.items()
    }


def _cases(tests: list[TestVerdict], names: dict[str, str], known: str) -> Iterator[str]:
    yield f"1..{len(tests)}"
    for number, test in enumerate(tests, 1):
        name = names[test.nodeid]
        if test.bad or test.known is not None:
            yield from _diagnostics(test, name)
        reason = test.known.reason if test.known is not None else test.message
        yield _result(test.outcome, number, name, reason, known=known)


def _diagnostics(test: TestVerdict, name: str) -> Iterator[str]:
    kind = f" ({test.kind})" if test.kind else ""
    yield f"# {name}: {test.outcome}{kind} {' '.join(test.requirements)}".rstrip()
    if test.known is not None:
        yield f"# known: {_ascii(test.known.reason)}, {test.known.link}, until {test.known.expires}"
    message = [line for line in test.message.splitlines() if line.strip()]
    for line in message[:MESSAGE_LINES]:
        yield f"# {_ascii(line.expandtabs(4))}".rstrip()
    if test.console:
        yield f"# console: {test.console}"


def _result(outcome: Outcome, number: int, name: str, reason: str = "", *, known: str) -> str:
    """One result line; `known` is the form's directive for a failure that is known."""
    first = " ".join(_ascii(reason.partition("\n")[0]).replace("#", " ").split())
    if outcome is Outcome.SKIP:
        return f"ok {number} {name} # SKIP {first[:REASON_LIMIT]}".rstrip()
    if outcome is Outcome.KNOWN:
        # XFAIL is the kernel's own word; as a directive its readers count it as a pass, or as a failure.
        return f"not ok {number} {name} # {known} XFAIL: {first[:REASON_LIMIT]}".rstrip(" :")
    return f"{'ok' if outcome is Outcome.PASS else 'not ok'} {number} {name}"


def _ascii(text: str) -> str:
    return _UNPRINTABLE.sub("?", text)


def _together(tests: Iterable[TestVerdict]) -> Outcome:
    counts: dict[Outcome, int] = {}
    for test in tests:
        counts[test.outcome] = counts.get(test.outcome, 0) + 1
    return Tally(counts).outcome


def _indented(lines: Iterable[str], prefix: str) -> list[str]:
    return [prefix + line for line in lines]


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name) or "none"

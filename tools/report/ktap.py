# SPDX-License-Identifier: GPL-2.0-only
"""KTAP in the two forms that are read out there.

nested() is KTAP version 1 with indented blocks (topology, chapter, test), which kunit's parser reads. flat()
has one result for each topology and chapter, and their tests in a block prefixed by "# ", as kselftest
prints: the parsers of CI systems read that, and indented blocks are invisible to them.

In both a test that did not hold is "not ok"; the word after "#" says what became of it where that is not
simply FAIL: ERROR with its kind, MISS, FLAKY, DEVIATION for a FAIL of level should. KTAP knows ERROR, readers
pass over the others. A failure that is known is "not ok" too, so that nobody takes it for a pass, with the
directive by which the readers of the form know that it does not fail the run: TODO in TAP, and SKIP for
kunit's parser, which knows no other. What was seen is in the lines before.

Names have only characters of [A-Za-z0-9_.-], and a reason is short, since one parser takes it for a part of
the name. Lines of a message begin with "| ", so that no parser finds a result or a plan in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tools.report.events import Outcome
from tools.report.names import block_name, ktap_names
from tools.report.verdict import DEVIATION, Tally, TestVerdict, Verdict

__all__ = ["directive", "flat", "nested"]

REASON_LIMIT = 60
MESSAGE_LINES = 12
INDENT = "    "
_UNPRINTABLE = re.compile(r"[^ -~]")
#: Where kunit's parser stops to read, anywhere in a line: last words of kernels, which messages can hold.
_ENDS = re.compile("List of all partitions:|Kernel panic - not syncing: VFS:|reboot: System halted")

Blocks = dict[str, dict[str, list[TestVerdict]]]


def nested(verdict: Verdict) -> str:
    """The whole document, for kunit.py parse."""
    blocks = _blocks(verdict)
    names = ktap_names(test.nodeid for test in verdict.cases)
    lines = ["KTAP version 1", f"1..{len(blocks)}"]
    for number, (topology, chapters) in enumerate(blocks.items(), 1):
        inner = ["KTAP version 1", f"# Subtest: {topology}", f"1..{len(chapters)}"]
        for place, (chapter, tests) in enumerate(chapters.items(), 1):
            block = ["KTAP version 1", f"# Subtest: {chapter}", *_cases(verdict, tests, names, "SKIP")]
            inner += _indented(block, INDENT)
            inner.append(_result(_together(tests), place, chapter, known="SKIP"))
        lines += _indented(inner, INDENT)
        everything = [test for tests in chapters.values() for test in tests]
        lines.append(_result(_together(everything), number, topology, known="SKIP"))
    return "\n".join(lines) + "\n"


def flat(verdict: Verdict) -> str:
    """The whole document, for parsers of TAP."""
    blocks = _blocks(verdict)
    names = ktap_names(test.nodeid for test in verdict.cases)
    lines = ["TAP version 13", f"1..{sum(len(chapters) for chapters in blocks.values())}"]
    number = 0
    for topology, chapters in blocks.items():
        for chapter, tests in chapters.items():
            number += 1
            lines += _indented(["TAP version 13", *_cases(verdict, tests, names, "TODO")], "# ")
            lines.append(_result(_together(tests), number, f"{topology}.{chapter}", known="TODO"))
    return "\n".join(lines) + "\n"


def _blocks(verdict: Verdict) -> Blocks:
    blocks: Blocks = {}
    for test in verdict.cases:
        topology, chapter = block_name(test.topology), block_name(test.chapter)
        blocks.setdefault(topology, {}).setdefault(chapter, []).append(test)
    # In order of names, not of events: the same plan gives the same numbers.
    return {
        topology: {
            chapter: sorted(chapters[chapter], key=lambda test: test.nodeid) for chapter in sorted(chapters)
        }
        for topology, chapters in blocks.items()
    }


def _cases(verdict: Verdict, tests: list[TestVerdict], names: dict[str, str], known: str) -> Iterator[str]:
    yield f"1..{len(tests)}"
    for number, test in enumerate(tests, 1):
        name = names[test.nodeid]
        if test.bad or test.known is not None:
            yield from _diagnostics(test, name)
        result = _result(test.outcome, number, name, known=known)
        if test.outcome is Outcome.SKIP:
            yield f"{result} {_reason(test.message)}".rstrip()
        elif test.known is not None:
            yield f"{result}: {_reason(test.known.reason)}"
        else:
            yield result + directive(verdict, test)


def directive(verdict: Verdict, test: TestVerdict) -> str:
    """What follows the name of a test that was neither skipped nor known, beginning with " # "; empty for
    PASS and FAIL."""
    word = verdict.word(test)
    if word in (Outcome.PASS, Outcome.FAIL):
        return ""
    more = {Outcome.ERROR: test.kind or "", DEVIATION: "should"}.get(word, "")
    return f" # {word} {more}".rstrip()


def _diagnostics(test: TestVerdict, name: str) -> Iterator[str]:
    kind = f" ({test.kind})" if test.kind else ""
    yield f"# {name}: {test.outcome}{kind} {_line(' '.join(test.requirements))}".rstrip()
    if test.known is not None:
        known = f"known: {test.known.reason}, {test.known.link}, until {test.known.expires}"
        yield f"# {_line(known)}"
    message = [line for line in test.message.splitlines() if line.strip()]
    for line in message[:MESSAGE_LINES]:
        yield f"# | {_line(line)}".rstrip()
    if test.console:
        yield f"# console: {_line(test.console)}"


def _line(text: str) -> str:
    printable = _UNPRINTABLE.sub("?", text.expandtabs(4))
    return _ENDS.sub(lambda match: match[0].replace(":", ""), printable)


def _reason(message: str) -> str:
    words = _line(message.partition("\n")[0]).replace("#", " ").split()
    return " ".join(words)[:REASON_LIMIT]


def _result(outcome: Outcome, number: int, name: str, *, known: str) -> str:
    """A result line; `known` is the form's directive for a failure that is known. XFAIL is the kernel's own
    word for one; as a directive its readers count it as a pass, or as a failure."""
    mark = {Outcome.SKIP: " # SKIP", Outcome.KNOWN: f" # {known} XFAIL"}.get(outcome, "")
    return f"{'ok' if outcome in (Outcome.PASS, Outcome.SKIP) else 'not ok'} {number} {name}{mark}"


def _together(tests: Iterable[TestVerdict]) -> Outcome:
    counts: dict[Outcome, int] = {}
    for test in tests:
        counts[test.outcome] = counts.get(test.outcome, 0) + 1
    return Tally(counts).outcome


def _indented(lines: Iterable[str], prefix: str) -> list[str]:
    return [prefix + line for line in lines]

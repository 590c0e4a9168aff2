# SPDX-License-Identifier: GPL-2.0-only
"""results.tap by tap.py, which CI systems take for kselftest's output: results in the flat document, and in
the documents that its comments are."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from tools.report.events import Outcome
from tools.report.names import block_name, ktap_names
from tools.report.readers.reader import Reader, Seen, installed
from tools.report.verdict import Tally, Verdict

__all__ = ["TapReader"]


class TapReader(Reader):
    """tap.py."""

    name, file = "tap", "results.tap"

    def version(self) -> str:
        return installed("tap.py")

    def read(self, path: Path) -> Seen:
        seen = Seen()
        inner: list[str] = []
        plan = None
        for line in _parsed(path.read_text(encoding="utf-8")):
            if line.category == "diagnostic":
                inner.append(_uncommented(line.text))
            elif line.category == "test":
                seen.group(line.description, _word(line))
                _block(seen, line.description, inner)
                inner = []
            elif line.category == "plan":
                plan = line.expected_tests
            elif line.category != "version":
                seen.complaints.append(f"a line of category {line.category}")
        seen.count("the plan", plan, len(seen.groups))
        return seen

    def ours(self, verdict: Verdict) -> Seen:
        names = ktap_names(test.nodeid for test in verdict.cases)
        mine, counts = Seen(), dict[str, dict[Outcome, int]]()
        for test in verdict.cases:
            group = f"{block_name(test.topology)}.{block_name(test.chapter)}"
            counts.setdefault(group, {}).setdefault(test.outcome, 0)
            counts[group][test.outcome] += 1
            mine.test(f"{group} {names[test.nodeid]}", verdict.word(test))
        for group, number in counts.items():
            together = Tally(number).outcome
            alike = together in (Outcome.PASS, Outcome.SKIP, Outcome.KNOWN)
            mine.group(group, str(together if alike else Outcome.FAIL))
        return mine


def _block(seen: Seen, group: str, lines: list[str]) -> None:
    """The document in the comments before a result."""
    plan, number = None, 0
    for line in _parsed("\n".join(lines)):
        if line.category == "test":
            number += 1
            seen.count(f"{group}: number of {line.description}", line.number, number)
            seen.test(f"{group} {line.description}", _word(line))
        elif line.category == "plan":
            plan = line.expected_tests
        elif line.category == "diagnostic":
            # Some take comments in comments for documents again, however deep.
            below = _parsed(_uncommented(line.text))
            if any(one.category in ("test", "plan", "bail") for one in below):
                seen.complaints.append(f"{group}: a comment that reads as a result: {line.text}")
        elif line.category != "version":
            seen.complaints.append(f"{group}: a line of category {line.category}")
    seen.count(f"{group}: the plan", plan, number)


def _uncommented(text: str) -> str:
    return text.removeprefix("# ") if text.startswith("# ") else text.removeprefix("#")


def _parsed(text: str) -> list[Any]:
    from tap.parser import Parser

    # It prints a line about YAML blocks, of which there are none.
    with contextlib.redirect_stdout(io.StringIO()):
        return list(Parser().parse_text(text))


def _word(line: Any) -> str:
    if line.skip:
        return str(Outcome.SKIP)
    if line.ok:
        return str(Outcome.PASS)
    if line.todo:
        return str(Outcome.KNOWN)
    words = str(line.directive.text or "").split()
    return words[0] if words else str(Outcome.FAIL)

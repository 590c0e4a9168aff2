# SPDX-License-Identifier: GPL-2.0-only
"""From the reports of a test's phases (setup, call, teardown) to its one outcome."""

from __future__ import annotations

import builtins
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tools.report.events import Kind, Outcome, clip

__all__ = ["Merged", "merge"]

#: Room for a traceback, and for the captured output of a failed and of a passed test, in characters.
LONGREPR_LIMIT = 64 * 1024
SECTION_LIMIT = {True: 64 * 1024, False: 8 * 1024}

_PHASES = ("setup", "call", "teardown")
# "fixtures.invariants.InvariantError: text" or, from an exception without text, "KeyboardInterrupt".
_EXCEPTION = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?::\s|$)")
# What the kernel answered, where the test had no use for an error: an errno, too little in time, a signal.
_ANSWERS = {
    *(name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, OSError)),
    *("UnplugError", "CxlError", "ChildDied", "ChildTimeout"),
}
_SPLAT = re.compile(r"\b(splat\b|taint(ed)?\b|kernel log: )", re.IGNORECASE)


@dataclass(frozen=True)
class Merged:
    """One test's result; `message` is what a table shows, `longrepr` the whole traceback."""

    outcome: Outcome
    kind: Kind | None = None
    message: str = ""
    longrepr: str = ""
    duration: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    properties: list[list[str]] = field(default_factory=list)
    sections: list[list[str]] = field(default_factory=list)

    @property
    def requirements(self) -> list[str]:
        """Catalogue ids that the test itself named."""
        return list(dict.fromkeys(value for name, value in self.properties if name == "requirement"))


def merge(reports: Sequence[pytest.TestReport]) -> Merged:
    """Join the reports of one test.

    An assertion that failed, an errno or a timeout from the kernel that the test did not expect, or an
    invariant found violated afterwards, is FAIL: the kernel is wrong, also where the test was marked xfail.
    Anything else that went wrong (another exception, a fixture, the soft deadline) is ERROR: the test broke
    and shows nothing.
    """
    verdicts = [_judge(report) for report in reports if report.failed or _expected(report)]
    # FAIL says more than ERROR: a kernel that deviates often breaks the teardown as well.
    verdicts.sort(key=lambda verdict: verdict[0] is not Outcome.FAIL)
    skipped = next((report for report in reports if report.skipped), None)
    outcome, kind, message, longrepr = Outcome.PASS, None, "", ""
    if verdicts:
        outcome, kind, message, _ = verdicts[0]
        longrepr = "\n\n".join(verdict[3] for verdict in verdicts)
    elif skipped is not None:
        outcome, message = Outcome.SKIP, _skip_reason(skipped)
    phases: dict[str, float] = {}
    for report in reports:
        if report.when in _PHASES:
            phases[report.when] = round(phases.get(report.when, 0.0) + report.duration, 6)
    last = reports[-1] if reports else None
    return Merged(
        outcome,
        kind,
        message,
        clip(longrepr, LONGREPR_LIMIT),
        round(sum(phases.values()), 6),
        phases,
        [[str(name), str(value)] for name, value in last.user_properties] if last else [],
        _sections(reports, failed=bool(verdicts)),
    )


def _expected(report: pytest.TestReport) -> bool:
    """Whether a test marked xfail failed: pytest calls that skipped, but the test did run."""
    return report.skipped and hasattr(report, "wasxfail")


def _judge(report: pytest.TestReport) -> tuple[Outcome, Kind, str, str]:
    text = _text(report.longrepr)
    message = _message(report.longrepr, text)
    match = _EXCEPTION.match(message)
    name = match["name"].rpartition(".")[2] if match else ""
    if name == "InvariantError" or (name.endswith("ExceptionGroup") and "InvariantError:" in text):
        first = message.partition("\n")[0]
        return Outcome.FAIL, Kind.SPLAT if _SPLAT.search(first) else Kind.INVARIANT, message, text
    if name == "Failed" and "from pytest-timeout" in message:
        return Outcome.ERROR, Kind.TEST_HANG, message, text
    asserted = name.endswith("AssertionError") or name == "Failed" or message.startswith("assert ")
    if report.when == "call" and (asserted or name in _ANSWERS):
        return Outcome.FAIL, Kind.ASSERTION if asserted else Kind.EXCEPTION, message, text
    phase = "" if report.when == "call" else f"[{report.when}] "
    return Outcome.ERROR, Kind.EXCEPTION, phase + message, text


def _text(longrepr: Any) -> str:
    return "" if longrepr is None else str(longrepr)


def _message(longrepr: Any, text: str) -> str:
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None and crash.message:
        return str(crash.message).strip()
    lines = [line for line in text.splitlines() if line.strip()]
    # A lookup error of fixtures has no crash record; its own first "E" line names the fixture.
    marked = [line[1:].strip() for line in lines if line.startswith("E ")]
    return (marked or [line.strip() for line in lines[-1:]] or ["failed without a message"])[0]


def _skip_reason(report: pytest.TestReport) -> str:
    longrepr = report.longrepr
    # pytest gives (path, line, "Skipped: reason").
    text = str(longrepr[2]) if isinstance(longrepr, tuple) and len(longrepr) == 3 else _text(longrepr)
    return text.removeprefix("Skipped: ").strip() or "no reason given"


def _sections(reports: Sequence[pytest.TestReport], *, failed: bool) -> list[list[str]]:
    # The sections of earlier phases are repeated in later reports.
    found: dict[str, str] = {}
    for report in reports:
        found.update(report.sections)
    return [[title, clip(text, SECTION_LIMIT[failed])] for title, text in found.items() if text.strip()]

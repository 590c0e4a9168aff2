# SPDX-License-Identifier: GPL-2.0-only
"""What a step of a bisect found, and which exit status tells git."""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path

from tools.cli.exits import Stop
from tools.report.events import Event, Outcome
from tools.report.verdict import Verdict


class Code(IntEnum):
    """What `git bisect run` understands: git-bisect(1), "bisect run"."""

    GOOD = 0
    BAD = 1
    SKIP = 125  # this commit cannot be judged
    INTERRUPTED = Stop.INTERRUPTED
    ABORT = Stop.ABORT


_BAD = (Outcome.FAIL, Outcome.FLAKY, Outcome.ERROR, Outcome.MISS)
WORDS = {
    Code.GOOD: "good",
    Code.BAD: "bad",
    Code.SKIP: "cannot be judged",
    Code.INTERRUPTED: "interrupted",
    Code.ABORT: "stopped",
}


@dataclass(frozen=True)
class Judgement:
    """One commit. `verdict` is the requirement's, or what kept it from having one ("no build")."""

    commit: str
    subject: str
    code: Code
    verdict: str
    reason: str = ""  # one line: the message of the failed test, the compiler's first error
    run: str | None = None  # directory of the run
    seconds: float = 0.0

    @property
    def line(self) -> str:
        """The step as a line."""
        minutes, seconds = divmod(round(self.seconds), 60)
        told = f"{self.verdict}, {WORDS[self.code]} ({int(self.code)})"
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.commit[:12]} {told}, {minutes}:{seconds:02} min{reason}  [{self.subject}]"


@dataclass(frozen=True)
class Record:
    """The judgements of a bisect so far: a file of JSON lines, for each step is a process of its own."""

    path: Path

    def add(self, judgement: Judgement) -> None:
        """Append one. Raises OSError."""
        with self.path.open("a") as stream:
            stream.write(json.dumps(asdict(judgement)) + "\n")

    def read(self) -> dict[str, Judgement]:
        """Return the judgements by commit, the last word on each; a line cut short by a kill is left out."""
        found: dict[str, Judgement] = {}
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            try:
                row = json.loads(line)
                found[row["commit"]] = Judgement(**row | {"code": Code(row["code"])})
            except (ValueError, TypeError, KeyError):
                continue
        return found


def of_run(verdict: Verdict, requirements: Collection[str], events: Iterable[Event]) -> tuple[Code, str, str]:
    """Return code, verdict and reason for a run that tested these requirements.

    The worst of them counts. What nothing is shown about (ERROR, MISS, SKIP, no test) is no word on the
    commit; where rounds differ, one that fails is enough.
    """
    outcomes = {row.outcome for row in verdict.requirements if row.id in requirements}
    tests = [test for test in verdict.tests if set(test.requirements) & set(requirements)]
    worst = next((one for one in (*_BAD, Outcome.PASS, Outcome.SKIP) if one in outcomes), Outcome.MISS)
    told = next((test.message for test in tests if test.outcome is worst), "")
    if not tests:
        told = next((str(event.get("message")) for event in verdict.problems), "no test ran")
    reason = next((line.strip() for line in told.splitlines() if line.strip()), "")
    if worst is Outcome.PASS:
        return Code.GOOD, str(worst), ""
    if worst is Outcome.FAIL or (worst is Outcome.FLAKY and _fails_once(events, requirements)):
        return Code.BAD, str(worst), reason
    return Code.SKIP, str(worst), reason


def _fails_once(events: Iterable[Event], requirements: Collection[str]) -> bool:
    return any(
        event["event"] == "test"
        and event.get("outcome") == Outcome.FAIL
        and set(event.get("requirements") or ()) & set(requirements)
        for event in events
    )

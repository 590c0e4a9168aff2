# SPDX-License-Identifier: GPL-2.0-only
"""faults.toml: what is done to a run, and how the runner has to see it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from tools.errors import UserError
from tools.report.events import Kind, Outcome

FAULTS = Path(__file__).with_name("faults.toml")
PHASES = ("setup", "call", "teardown")

By = Literal["test", "host", "run"]


@dataclass(frozen=True)
class Fault:
    """One entry of faults.toml, which says what the fields mean."""

    name: str
    does: str
    outcome: Outcome
    kind: str | None
    says: re.Pattern[str]
    shows: tuple[re.Pattern[str], ...] = ()
    phase: str = "call"
    by: By = "test"
    guest: str = ""
    sample: bool = False

    @property
    def expected(self) -> str:
        """Outcome and kind in words."""
        return f"{self.outcome} {self.kind}" if self.kind else str(self.outcome)


#: What runs between the faults, and must not notice any of them.
GOOD = Fault("good", "nothing", Outcome.PASS, None, re.compile(""))


def load(path: Path = FAULTS) -> dict[str, Fault]:
    """Read a file of faults, by name. Raises ValueError for one that makes no sense."""
    return {name: _fault(name, row) for name, row in tomllib.loads(path.read_text()).items()}


def _fault(name: str, row: Mapping[str, Any]) -> Fault:
    known = {"does", "sees", "says", "shows", "phase", "by", "guest", "sample"}
    if extra := set(row) - known:
        raise ValueError(f"{name}: unknown keys {sorted(extra)}")
    outcome, kind = row["sees"]
    fault = Fault(
        name,
        row["does"],
        Outcome(outcome),
        Kind(kind) if kind else None,
        re.compile(row.get("says", ""), re.S),
        tuple(re.compile(expression) for expression in row.get("shows", ())),
        row.get("phase", "call"),
        row.get("by", "test"),
        Kind(row["guest"]) if row.get("guest") else "",
        row.get("sample", False),
    )
    if fault.phase not in PHASES or fault.by not in ("test", "host", "run"):
        raise ValueError(f"{name}: phase {fault.phase!r}, by {fault.by!r}")
    return fault


def choose(known: Mapping[str, Fault], names: Sequence[str]) -> list[Fault]:
    """The faults of these names. Raises UserError for one that does not exist."""
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise UserError(f"--fault {name}: no such fault in {FAULTS.name}{hint}")
    return [known[name] for name in names]

# SPDX-License-Identifier: GPL-2.0-only
"""A whole series: faults drawn, sessions run, rows collected."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.chaos import plan, scenario, seen
from tools.chaos.data import Fault
from tools.chaos.scenario import Machine
from tools.chaos.seen import Row
from tools.cli.subject import Subject
from tools.kernel import module

MODULE_SOURCES = Path(__file__).with_name("module")
MODULE = "pnode_chaos.ko"
FILE = "chaos.json"


@dataclass(frozen=True)
class Series:
    """What came of a series."""

    rows: Sequence[Row]
    seconds: float
    seed: int

    @property
    def good(self) -> bool:
        """Every fault was attributed as expected."""
        return bool(self.rows) and all(row.good for row in self.rows)


def machine(kernel: Subject, guests: int) -> Machine:
    """Build what the sessions need. Raises UserError."""
    tested = kernel.module()
    assert kernel.build_dir is not None  # kernel.module() refuses to go on without
    chaos = module.build(kernel.build_dir, MODULE_SOURCES, MODULE)
    return Machine(kernel.image, tested, chaos, guests)


def run(
    faults: Sequence[Fault],
    where: Machine,
    run_dir: Path,
    seed: int,
    *,
    per_session: int = plan.PER_SESSION,
    told: Callable[[str], None] = lambda text: None,
) -> Series:
    """Inject the faults; the table so far is written to the run's directory after each session.

    Raises UserError.
    """
    began, rows = time.monotonic(), list[Row]()
    sessions = plan.sessions(faults, seed, per_session)
    for number, session in enumerate(sessions):
        told(f"session {number + 1} of {len(sessions)}: {session.injected} faults")
        rows += scenario.run(session, where, run_dir / f"session{number:02}")
        summary = seen.summary(rows, time.monotonic() - began, seed)
        (run_dir / FILE).write_text(json.dumps(summary, indent=1) + "\n")
    return Series(rows, time.monotonic() - began, seed)

# SPDX-License-Identifier: GPL-2.0-only
"""A whole series: faults drawn, sessions run, rows collected."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.chaos import plan, scenario
from tools.chaos.data import Fault
from tools.chaos.scenario import Machine
from tools.chaos.seen import Row
from tools.cli.subject import Subject
from tools.errors import UserError
from tools.kernel import module

MODULE_SOURCES = Path(__file__).with_name("module")
MODULE = "pnode_chaos.ko"
FILE = "chaos.json"


@dataclass(frozen=True)
class Series:
    """What came of a series."""

    rows: Sequence[Row]
    seconds: float
    seeds: Sequence[int]
    stopped: bool = False  # before the last session

    @property
    def good(self) -> bool:
        """Every fault was attributed as expected."""
        return bool(self.rows) and all(row.good for row in self.rows)

    def summary(self) -> dict[str, Any]:
        """As JSON: what FILE has, and --json prints."""
        return {
            "good": self.good,
            "injected": len(self.rows),
            "attributed": sum(row.good for row in self.rows),
            "seeds": list(self.seeds),
            "seconds": round(self.seconds, 1),
            "stopped": self.stopped,
            "faults": [row.json() for row in self.rows],
        }


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
    """Inject the faults; the table so far is written to the run's directory after each session, and is what
    comes back when the series is interrupted.

    Raises UserError.
    """
    began, rows = time.monotonic(), list[Row]()
    sessions = plan.sessions(faults, seed, per_session)
    for number, session in enumerate(sessions):
        told(f"session {number + 1} of {len(sessions)}: {session.injected} faults")
        try:
            rows += scenario.run(session, where, run_dir / f"session{number:02}")
        except KeyboardInterrupt:
            told(f"interrupted in session {number + 1} of {len(sessions)}")
            rows += scenario.until_then(session, run_dir / f"session{number:02}")
            return _keep(Series(rows, time.monotonic() - began, [seed], stopped=True), run_dir)
        so_far = Series(rows, time.monotonic() - began, [seed], stopped=number + 1 < len(sessions))
        _keep(so_far, run_dir)
    return so_far


def _keep(series: Series, run_dir: Path) -> Series:
    (run_dir / FILE).write_text(json.dumps(series.summary(), indent=1) + "\n")
    return series


def together(run_dirs: Sequence[Path]) -> Series:
    """Several series as one. Raises UserError for a directory without a table."""
    rows, seconds, seeds, stopped = list[Row](), 0.0, list[int](), False
    for run_dir in run_dirs:
        try:
            told = json.loads((run_dir / FILE).read_text())
            rows += [Row.from_json(row) for row in told["faults"]]
            seconds, seeds = seconds + told["seconds"], [*seeds, *told["seeds"]]
            stopped = stopped or told["stopped"]
        except OSError as error:
            raise UserError(f"{run_dir}: no {FILE} of pnode chaos in it ({error.strerror})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{run_dir / FILE}: no series of pnode chaos ({error})") from error
    return Series(rows, seconds, seeds, stopped)

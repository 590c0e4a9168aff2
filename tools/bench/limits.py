# SPDX-License-Identifier: GPL-2.0-only
"""Ratios that a run has to keep: a suite that becomes slow is a defect, on slow machines as on fast ones."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tools.bench.split import Split
from tools.errors import UserError

DATA = Path(__file__).with_name("limits.toml")
#: Ratios of which more is better; of all others less is.
AT_LEAST = frozenset({"efficiency"})
RATIOS = ("overhead", "efficiency", "first_over_bare", "median_over_work")
#: Fewer tests say nothing about a suite.
MIN_TESTS = 100

Limits = Mapping[str, Mapping[str, float]]


def load(path: Path = DATA) -> Limits:
    """{topology: {ratio: limit}}. Raises UserError for a ratio that is not measured."""
    found: Limits = tomllib.loads(path.read_text())
    for topology, ratios in found.items():
        for name in ratios:
            if name not in RATIOS:
                raise UserError(f"{path}: [{topology}] {name}: not measured, there are {', '.join(RATIOS)}")
    return found


def judged(splits: Sequence[Split], limits: Limits) -> Iterator[tuple[str, bool]]:
    """A line for each limit that applies, and whether it is kept."""
    for split in splits:
        if split.tests < MIN_TESTS:
            continue
        for name, limit in limits.get(split.topology, {}).items():
            value = float(getattr(split, name))
            kept = value >= limit if name in AT_LEAST else value <= limit
            bound = "at least" if name in AT_LEAST else "at most"
            yield (
                f"{split.topology}: {name} {value:.2f}, {bound} {limit:g}{'' if kept else ': NOT KEPT'}",
                kept,
            )

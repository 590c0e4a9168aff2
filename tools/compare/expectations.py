# SPDX-License-Identifier: GPL-2.0-only
"""Two dialects: what is expected to differ, and what differs though nothing says that it should."""

from dataclasses import dataclass

from tools.compare.changes import Change, RequirementChange
from tools.compare.comparison import Comparison
from tools.report.events import Outcome

_QUIET = (Change.SAME, Change.STILL)


@dataclass(frozen=True)
class Expectations:
    """The requirements that both runs were asked for, by what the catalogue says of the two dialects.

    changed     both said, and not the same: the kernels are to behave differently
    behaviour   the verdict changed though the same is expected, or nobody has said so
    unsaid      by dialect: nobody has said what it is to do
    """

    changed: tuple[RequirementChange, ...]
    behaviour: tuple[RequirementChange, ...]
    unsaid: dict[str, tuple[str, ...]]


def sort(found: Comparison) -> Expectations:
    """Sort the requirements of runs of two dialects."""
    rows = [row for row in found.requirements if row.known]
    changed = [r for r in rows if r.expected_a and r.expected_b and r.expected_a != r.expected_b]
    behaviour = [row for row in rows if row not in changed and row.change not in _QUIET]
    unsaid = {
        found.a.dialect: tuple(row.id for row in rows if row.expected_a is None),
        found.b.dialect: tuple(row.id for row in rows if row.expected_b is None),
    }
    return Expectations(tuple(changed), tuple(behaviour), {name: ids for name, ids in unsaid.items() if ids})


def conduct(row: RequirementChange) -> str:
    """Say how the kernels did by what is expected of each, for a row whose expectation changed."""
    if row.a is Outcome.PASS and row.b is Outcome.PASS:
        return "each does what its dialect expects"
    if row.b is Outcome.PASS:
        return "B does what its dialect expects"
    if row.a is Outcome.PASS:
        return "B does not show what its dialect expects"
    return "neither shows what its dialect expects"

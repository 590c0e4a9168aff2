# SPDX-License-Identifier: GPL-2.0-only
"""What a certificate claims: which requirements hold, which hold with a remark, which do not.

The one place where that is decided, for who issues a certificate and for who checks one.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from tools.report.events import Outcome
from tools.report.verdict import RequirementVerdict, Tally

__all__ = ["FAILED", "PASSED", "WARNED", "Claim", "Sorted", "sort_out"]

#: Results that the test-result predicate knows.
PASSED, WARNED, FAILED = "PASSED", "WARNED", "FAILED"
_UNTESTED = (Outcome.NONE, Outcome.SKIP)


@dataclass(frozen=True)
class Claim:
    """A requirement, its level, and its tests by topology and outcome."""

    id: str
    level: str
    tests: Mapping[str, Tally]  # topologies without a test of it are left out

    @property
    def verdict(self) -> Outcome:
        """The worst outcome on any topology; "-" without a test."""
        return Tally(
            {
                outcome: number
                for outcome in Outcome
                if (number := sum(tally.of(outcome) for tally in self.tests.values()))
            }
        ).outcome

    @property
    def deviates(self) -> bool:
        """Whether it was seen not to hold, or its tests show nothing: whatever is neither good nor untested,
        so that no outcome that is new some day passes."""
        return self.verdict is not Outcome.PASS and self.verdict not in _UNTESTED

    def json(self) -> dict[str, Any]:
        """As it stands in a certificate."""
        tests = {
            name: {str(outcome): number for outcome, number in sorted(tally.counts.items()) if number}
            for name, tally in self.tests.items()
        }
        return {"level": self.level, "verdict": str(self.verdict), "tests": tests}

    @classmethod
    def of(cls, row: RequirementVerdict) -> Self:
        """The claim that a judged run makes."""
        return cls(row.id, row.level, {name: tally for name, tally in row.by_topology.items() if tally.total})

    @classmethod
    def read(cls, identifier: str, row: Mapping[str, Any]) -> Self:
        """The claim of a certificate. Raises ValueError for an outcome that there is not."""
        tests = {
            name: Tally({Outcome(outcome): number for outcome, number in counts.items()})
            for name, counts in row["tests"].items()
        }
        return cls(identifier, row["level"], tests)


@dataclass(frozen=True)
class Sorted:
    """Ids by what a consumer is told. In none of them: requirements that no test could show here (all were
    skipped, or none was selected) and that nobody waived."""

    passed: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)  # waived, or of level should and deviating
    failed: list[str] = field(default_factory=list)
    untested: list[str] = field(default_factory=list)

    def result(self, *, remarks: bool) -> str:
        """One word for all of it; `remarks`: the certificate has another reservation."""
        if self.failed:
            return FAILED
        return WARNED if self.warned or remarks else PASSED


def sort_out(claims: Iterable[Claim], waived: Container[str]) -> Sorted:
    """Sort claims, by id: a certificate does not keep the order of the catalogue's files. What is waived
    is warned of, whatever its tests say."""
    found = Sorted()
    for claim in sorted(claims, key=lambda claim: claim.id):
        if claim.id in waived:
            found.warned.append(claim.id)
        elif claim.verdict in _UNTESTED:
            found.untested.append(claim.id)
        elif not claim.deviates:
            found.passed.append(claim.id)
        else:
            (found.warned if claim.level == "should" else found.failed).append(claim.id)
    return found

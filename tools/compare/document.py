# SPDX-License-Identifier: GPL-2.0-only
"""The comparison for programs: one JSON object, described in tools/report/README.md."""

from collections.abc import Collection
from typing import Any

from tools.compare import expectations, policy
from tools.compare.changes import Change, RequirementChange, TestChange
from tools.compare.comparison import Comparison
from tools.compare.side import Side
from tools.compare.text import conclusion
from tools.report.events import Outcome
from tools.report.outcomes import TestVerdict

SCHEMA = 1  # raised when the meaning of a field changes
_QUIET = (Change.SAME, Change.STILL)


def document(found: Comparison, also: Collection[str] = ()) -> dict[str, Any]:
    """Return the object; tests and requirements that are the same in both are counted, not listed."""
    sorted_ = expectations.sort(found) if "dialect" in found.differences else None
    return {
        "schema": SCHEMA,
        "exit": policy.status(found, also),
        "conclusion": conclusion(found, also),
        "worse": [
            {
                "what": finding.what,
                "requirements": list(finding.requirements),
                "tests": [[test.topology, test.nodeid] for test in finding.tests],
            }
            for finding in policy.worse(found, also)
        ],
        "a": _side(found.a),
        "b": _side(found.b),
        "differences": {name: list(pair) for name, pair in found.differences.items()},
        "requirements": [_requirement(row) for row in found.requirements if row.change not in _QUIET],
        "tests": [_test(test) for test in found.tests if test.change not in _QUIET],
        "counts": {str(change): len(tests) for change in Change if (tests := found.tests_with(change))},
        "dialects": None
        if sorted_ is None
        else {
            "expectation_changed": [
                _requirement(row) | {"conduct": expectations.conduct(row)} for row in sorted_.changed
            ],
            "behaviour_changed": [row.id for row in sorted_.behaviour],
            "unsaid": {name: list(ids) for name, ids in sorted_.unsaid.items()},
        },
        "speeds": [
            {"topology": s.topology, "factor": s.factor, "tests": s.pairs, "comparable": s.comparable}
            for s in found.speeds
        ],
        "times": [
            {
                "topology": time.topology,
                "nodeid": time.nodeid,
                "change": "slower" if time.slower else "faster",
                "a": time.a,
                "b": time.b,
                "factor": time.factor,
                "rounds": list(time.rounds),
            }
            for time in found.times
        ],
    }


def _side(side: Side) -> dict[str, Any]:
    counts = side.verdict.counts
    return {
        "path": str(side.path),
        "run": side.run.get("run"),
        "kernel": dict(side.kernel),
        "dialect": side.dialect or None,
        "suite": side.run.get("suite"),
        "catalogue_hash": side.run.get("catalogue_hash"),
        "topologies": list(side.verdict.topologies),
        "exit": side.verdict.exit,
        "counts": {str(outcome): counts.of(outcome) for outcome in Outcome if counts.of(outcome)},
        "incomplete": side.incomplete or None,
        "damaged_lines": side.damaged,
    }


def _requirement(row: RequirementChange) -> dict[str, Any]:
    return {
        "id": row.id,
        "level": row.level,
        "change": str(row.change),
        "a": str(row.a),
        "b": str(row.b),
        "expected": {"a": row.expected_a, "b": row.expected_b},
    }


def _test(test: TestChange) -> dict[str, Any]:
    return {
        "topology": test.topology,
        "nodeid": test.nodeid,
        "change": str(test.change),
        "level": test.level,
        "requirements": list(test.requirements),
        "a": _verdict(test.a),
        "b": _verdict(test.b),
        "reason": test.reason or None,
    }


def _verdict(test: TestVerdict | None) -> dict[str, Any] | None:
    if test is None:
        return None
    return {
        "outcome": str(test.outcome),
        "kind": test.kind,
        "message": test.message or None,
        "duration": test.duration,
        "rounds": test.rounds,
    }

# SPDX-License-Identifier: GPL-2.0-only
"""Small runs to compare, built from events, and a catalogue in which dialects differ."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tools.compare.comparison import Comparison, compare
from tools.compare.side import Side, load

GOLDEN_IDS = (
    "CBK-01 CBK-02 CBK-03 CBK-04 CBK-06 CBK-07 CBK-08 CPS-03 CPS-06 CPS-07 CXL-01 CXL-08 MIG-02 MPL-16 "
    "NOP-05 SVC-11 SVC-12"
)


@dataclass(frozen=True)
class Row:
    id: str
    level: str = "must"
    expect: Mapping[str, str] = field(default_factory=dict)

    @property
    def statement(self) -> str:
        return f"What {self.id} states."

    @property
    def chapter(self) -> str:
        return self.id[:3]

    @property
    def source(self) -> str:
        return "v4 03/27"

    def expected(self, dialect: str) -> str | None:
        return self.expect.get(dialect)


CATALOGUE = {
    row.id: row
    for row in (
        Row("DSC-12", "should", {"v4": "counted"}),
        Row("CPS-01", "must", {"v4": "EINVAL without P", "v5": "from any cpuset"}),
        Row("ISO-02", "must", {"v4": "NULL", "v5": "NULL"}),
        Row("ISO-04", "must", {"v4": "on P"}),
        Row("MPL-09", "must", {"v4": "EINVAL", "v5": "0"}),
        # Of the golden runs; as in the real catalogue nobody has said what v5 does.
        *(Row(name, "must", {"v4": "as stated"}) for name in GOLDEN_IDS.split()),
    )
}

Test = tuple[str, ...]


def events(
    *tests: Test,
    planned: tuple[str, ...] = (),
    topologies: tuple[str, ...] = ("fast",),
    requirement: str = "ISO-02",
    **start: Any,
) -> list[dict[str, Any]]:
    """A run of tests (name, outcome[, message[, requirement[, topology[, kind]]]]); `planned` names more that
    have no result."""
    rows = []
    for name, outcome, *more in tests:
        message, required, topology, kind = (
            *more,
            *("", requirement, topologies[0], "assertion")[len(more) :],
        )
        rows.append(
            {
                "event": "test",
                "topology": topology,
                "nodeid": name,
                "outcome": outcome,
                "kind": kind if outcome in ("FAIL", "ERROR") else None,
                "requirements": [required],
                "message": message,
                "duration": 1.0,
                "phases": {"setup": 0.5, "call": 0.4, "teardown": 0.1},
            }
        )
    plans = [
        {
            "event": "plan",
            "topology": topology,
            "tests": [row["nodeid"] for row in rows if row["topology"] == topology]
            + (list(planned) if topology == topologies[0] else []),
            "requirements": {name: [requirement] for name in planned},
        }
        for topology in topologies
        if topology == topologies[0] or any(row["topology"] == topology for row in rows)
    ]
    head = {
        "event": "run-start",
        "schema": 1,
        "run": "r",
        "suite": "0.1.0+a",
        "kernel": {"release": "6.12.117-pnode", "image_sha256": "0" * 64},
        "dialect": "v4",
        "topologies": list(topologies),
        "catalogue_hash": "c",
        "argv": ["run"],
    }
    return [head | start, *plans, *rows]


def death(kind: str = "panic", slot: int = 0, topology: str = "fast") -> dict[str, Any]:
    """A kernel that died between two tests."""
    return {
        "event": "guest", "topology": topology, "slot": slot, "boot": slot, "state": "lost", "kind": kind,
        "nodeid": None, "after": "a", "reason": "Oops",
    }  # fmt: skip


def splat(digest: str, topology: str = "fast", **fields: Any) -> dict[str, Any]:
    """A complaint of a kernel between two tests, which nobody allows."""
    return {
        "event": "splat", "topology": topology, "nodeid": None, "slot": 0, "boot": 0, "during": "between",
        "after": "a", "kind": "WARNING", "what": "WARNING", "digest": digest, "functions": [],
        "title": f"WARNING {digest}", "text": "", "allowed": None, "by": None, "fatal": False,
    } | fields  # fmt: skip


Events = list[dict[str, Any]]
Comparing = Callable[[Events, Events], Comparison]


@pytest.fixture
def sides(tmp_path: Path) -> Callable[[str, Events], Side]:
    """Writes a record and reads it as one side of a comparison."""

    def make(label: str, found: Events) -> Side:
        folder = tmp_path / label
        folder.mkdir(exist_ok=True)
        (folder / "results.jsonl").write_text("".join(json.dumps(event) + "\n" for event in found))
        return load(label, folder, CATALOGUE)

    return make


@pytest.fixture
def comparing(sides: Callable[[str, Events], Side]) -> Comparing:
    """Compares two runs given by their events."""

    def make(a: Events, b: Events) -> Comparison:
        return compare(sides("A", a), sides("B", b), CATALOGUE)

    return make

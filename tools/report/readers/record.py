# SPDX-License-Identifier: GPL-2.0-only
"""results.jsonl by jsonschema, against the schema that tells others what is in it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from helpers.rounds import without_round
from tools.report.events import FILE, read
from tools.report.outcomes import named
from tools.report.readers.reader import Reader, Seen, installed
from tools.report.verdict import Verdict

__all__ = ["SCHEMA_FILE", "SchemaReader", "schema"]

SCHEMA_FILE = Path(__file__).resolve().parent.parent / "results.schema.json"


@cache
def schema() -> dict[str, Any]:
    """The committed schema of one event."""
    data: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return data


class SchemaReader(Reader):
    """jsonschema."""

    name, file = "schema", FILE

    def version(self) -> str:
        return installed("jsonschema")

    def read(self, path: Path) -> Seen:
        from jsonschema import Draft202012Validator

        seen = Seen()
        validator = Draft202012Validator(schema())
        events = read(path).events
        for number, event in enumerate(events, 1):
            for error in validator.iter_errors(event):
                seen.complaints.append(
                    f"event {number} ({event['event']}): {error.json_path}: {error.message}"
                )
        if seen.complaints:
            return seen
        results: dict[tuple[str, str], str] = {}
        for plan in named(events, "plan"):
            results.update({(plan["topology"], nodeid): "MISS" for nodeid in plan["tests"]})
        results |= {(test["topology"], test["nodeid"]): test["outcome"] for test in named(events, "test")}
        rounds: dict[str, list[str]] = {}
        for (topology, nodeid), outcome in results.items():
            rounds.setdefault(f"{topology} {without_round(nodeid)}", []).append(outcome)
        for name, outcomes in rounds.items():
            seen.test(name, " ".join(outcomes))
        return seen

    def differences(self, seen: Seen, ours: Seen) -> list[str]:
        # Of events that are not as the schema says nothing else was read.
        return seen.complaints or super().differences(seen, ours)

    def ours(self, verdict: Verdict) -> Seen:
        mine = Seen()
        for test in verdict.tests:
            if not test.nodeid.startswith("guests::"):  # of an event guest; no result says it
                mine.test(f"{test.topology} {test.nodeid}", " ".join(test.seen or (test.outcome,)))
        return mine

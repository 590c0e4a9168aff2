# SPDX-License-Identifier: GPL-2.0-only
"""What a run was told to overlook (pnode run --known), and which splats it did overlook for that."""

from collections.abc import Iterable
from typing import Any

from tools.report.events import Event
from tools.report.outcomes import named

__all__ = ["given"]

_FIELDS = ("name", "table", "reason", "link", "expires", "match")


def given(events: Iterable[Event]) -> list[dict[str, Any]]:
    """The exceptions of a record as a certificate names them. Those that come with the suite, and what a test
    allows itself, are part of the suite, which the certificate names."""
    found = list(events)
    # Of all such events, not only of the last, which is the one for verdicts: a splat is judged at once.
    entries = [
        {key: entry[key] for key in _FIELDS}
        for event in named(found, "known")
        for entry in event["entries"]
        if not entry.get("builtin")
    ]
    # Two files may have one name; their splats then count for both.
    return [
        entry | {"splats": _allowed(found, entry["name"])}
        for number, entry in enumerate(entries)
        if entry not in entries[:number]
    ]


def _allowed(events: Iterable[Event], name: str) -> list[dict[str, Any]]:
    """Each splat that an entry allowed, with how often it was seen."""
    found: dict[str, dict[str, Any]] = {}
    for event in named(events, "splat"):
        if event.get("allowed") is not None and event.get("by") == name:
            first = {key: event[key] for key in ("digest", "what", "title")}
            found.setdefault(event["digest"], first | {"seen": 0})["seen"] += 1
    return list(found.values())

# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel complained about in a run: each splat once, with how often it was seen and where first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tools.report.events import Event

__all__ = ["Complaint", "complaints", "where"]


@dataclass(frozen=True)
class Complaint:
    """A splat, by its fingerprint. `allowed`: the reason, where all that were seen are allowed. `text` has
    file and line at each frame where a vmlinux was at hand."""

    digest: str
    what: str
    functions: tuple[str, ...]
    title: str
    text: str
    seen: int
    first: str  # where
    tests: tuple[str, ...]  # that it was seen in, each once
    allowed: str | None = None

    @property
    def place(self) -> str:
        """What it is, and in which function."""
        return f"{self.what} in {self.functions[0]}" if self.functions else f"{self.what}: {self.title}"

    def event(self) -> dict[str, Any]:
        """For run-end."""
        return {
            "digest": self.digest,
            "what": self.what,
            "functions": list(self.functions),
            "seen": self.seen,
            "first": self.first,
            "allowed": self.allowed,
        }


def complaints(events: Iterable[Event]) -> list[Complaint]:
    """All splats of a run, those first that nobody allows, then in the order in which they came."""
    together: dict[tuple[str, bool], list[Event]] = {}
    decoded: dict[str, str] = {}
    texts: dict[str, str] = {}
    for event in events:
        if event["event"] == "splat":
            texts.setdefault(event["digest"], event.get("text") or "")
            key = event["digest"], event.get("allowed") is not None
            together.setdefault(key, []).append(event)
        elif event["event"] == "decoded":
            decoded[event["digest"]] = event["text"]
    found = []
    for (digest, allowed), seen in together.items():
        first = seen[0]
        found.append(
            Complaint(
                digest,
                first["what"],
                tuple(first.get("functions") or ()),
                first["title"],
                decoded.get(digest) or texts[digest],
                len(seen),
                where(first),
                tuple(dict.fromkeys(event["nodeid"] for event in seen if event.get("nodeid"))),
                first["allowed"] if allowed else None,
            )
        )
    return sorted(found, key=lambda one: one.allowed is not None)


def where(event: Event) -> str:
    """Where a splat was seen: the test, or what was before."""
    place = event.get("nodeid")
    if not place:
        guest = f"slot{event.get('slot')}-boot{event.get('boot')}"
        booting = event.get("during") == "boot"
        place = f"the boot of {guest}" if booting else f"{guest} after {event.get('after')}"
    return f"{event['topology']} {place}"

# SPDX-License-Identifier: GPL-2.0-only
"""When, where and in which guest each test ran: what the events say beside the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from helpers.rounds import without_round
from tools.report.events import Event

__all__ = ["Circumstances", "Place", "circumstances_of"]

#: Topology and nodeid of a test, whichever round.
Key = tuple[str, str]


@dataclass
class Place:
    """A topology as its session and its first guest describe it; None where nobody did."""

    accel: str | None = None  # kvm or tcg
    guest: bool | None = None  # False: on the machine itself
    cpus: int | None = None
    memory_kb: int | None = None
    pace: float | None = None  # how many times slower than usual, which bounds are multiplied by


@dataclass
class Circumstances:
    """Start of each test in seconds since the epoch (its first round's), and the console of its guest, a
    path in the run's directory; both only where known."""

    places: dict[str, Place] = field(default_factory=dict)
    started: dict[Key, float] = field(default_factory=dict)
    consoles: dict[Key, str] = field(default_factory=dict)

    def place(self, topology: str) -> Place:
        return self.places.setdefault(topology, Place())


def circumstances_of(events: Iterable[Event]) -> Circumstances:
    """Walk over the events once. Never raises on an incomplete record."""
    found = Circumstances()
    consoles: dict[tuple[str, Any], str] = {}  # of the guest that each slot has now
    for event in events:
        topology = str(event.get("topology"))
        if event["event"] == "session-start":
            place = found.place(topology)
            place.accel, place.guest = event.get("accel"), event.get("accel") is not None
        elif event["event"] == "guest":
            _guest(found.place(topology), event)
            console = event.get("console") or _console(event)
            if console:
                consoles[topology, event.get("slot")] = console
        elif event["event"] == "test-start":
            found.started.setdefault((topology, without_round(event["nodeid"])), event["time"])
        elif event["event"] == "test":
            console = event.get("console") or consoles.get((topology, event.get("slot")))
            if console:
                found.consoles.setdefault((topology, without_round(event["nodeid"])), console)
    return found


def _guest(place: Place, event: Event) -> None:
    record = event.get("record") or {}
    if place.cpus is None:
        place.cpus, place.memory_kb, place.pace = (record.get(key) for key in ("cpus", "memory_kb", "pace"))


def _console(event: Event) -> str | None:
    """Where a guest's console is (tools/guest/slot.py): a replacement only says its slot and number."""
    slot, boot = event.get("slot"), event.get("boot")
    return None if slot is None or boot is None else f"guests/slot{slot}/boot{boot}/console.log"

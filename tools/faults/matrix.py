# SPDX-License-Identifier: GPL-2.0-only
"""From the events of a session to what became of each fault: caught by what, survived, or caught too much."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tools.kernel.faults import Fault
from tools.report.events import Event, Kind, Outcome

PREFIX = "faults::"
RED = ("failed", "error")
_TIME = re.compile(r"^\[\s*(?P<seconds>\d+\.\d+)\]")
_SCENE = "pnode-stress: seed="
_MARK = re.compile(r"pnode-fault: (?P<fault>\S+) (?P<part>\S+) (?P<test>selftests/\S.*?)\s*$")


class Fate(StrEnum):
    """What became of a fault."""

    CAUGHT = "caught"
    SURVIVED = "survived"  # its tests ran and were green
    UNPROVED = "unproved"  # a test was red, and is red without the fault, too
    UNTESTED = "untested"  # no test of its requirements ran
    ABSENT = "absent"  # this kernel does not have it
    LOST = "lost"  # no result


@dataclass(frozen=True)
class Red:
    """A test that was red: for a requirement, or a control test. `how` is what it said."""

    test: str
    part: str
    how: str


@dataclass(frozen=True)
class Row:
    """One fault."""

    fault: str
    fate: Fate
    crashed: str = ""  # how the guest ended
    reds: tuple[Red, ...] = ()
    green: tuple[str, ...] = ()  # requirements whose tests stayed green, of those that were tried
    tests: int = 0
    control: int = 0  # control tests that ran
    unclean: tuple[str, ...] = ()  # what it left behind
    late: bool = False
    seconds: float = 0.0
    note: str = ""
    raced: float = 0.0  # seconds, of a try of a race: from the start of its first scene, pauses left out

    @property
    def caught_by(self) -> list[Red]:
        """The tests of its requirements that were red."""
        return [red for red in self.reds if red.part != "control"]

    @property
    def over_caught(self) -> list[Red]:
        """The control tests that were red."""
        return [red for red in self.reds if red.part == "control"]

    @property
    def good(self) -> bool:
        """Caught, and nothing that has to do with it was red."""
        return self.fate is Fate.CAUGHT and not self.over_caught

    def json(self) -> dict[str, Any]:
        """Return it for machines."""
        return asdict(self) | {"good": self.good}


@dataclass
class Matrix:
    """All faults of a run, and how long it took (seconds)."""

    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether every fault was caught and no control test was red."""
        return all(row.good for row in self.rows)

    def count(self, fate: Fate) -> int:
        """Return how many faults had this fate."""
        return sum(row.fate is fate for row in self.rows)


def build(faults: Sequence[Fault], events: Iterable[Event], run_dir: Path) -> Matrix:
    """Join the faults of a plan with the events of its session."""
    found = {str(event["nodeid"]): event for event in events if event["event"] == "test"}
    return Matrix([_row(fault, found.get(PREFIX + fault.name), run_dir) for fault in faults])


def recorded(events: Sequence[Event], run_dir: Path, faults: Mapping[str, Fault]) -> Matrix | None:
    """The matrix of a run from its record; None for a run of another kind. One that was cut short is joined
    now: what has no result is lost. `faults` are all there are, by name."""
    told = [event for event in events if event["event"] == "faults"]
    if told:
        return Matrix([_row_of(row) for row in told[-1]["rows"]], float(told[-1]["seconds"]))
    planned = [name for event in events if event["event"] == "plan" for name in event["tests"]]
    names = [name.removeprefix(PREFIX) for name in planned if name.startswith(PREFIX)]
    if not names:
        begun = next((event for event in events if event["event"] == "run-start"), {})
        return Matrix() if list(begun.get("argv") or ())[:1] == ["faults"] else None
    one = {name: faults.get(name.partition("#")[0]) for name in names}  # a try is of the fault before the #
    unknown = [Row(name, Fate.LOST, note="no such fault any more") for name in names if one[name] is None]
    found = build([replace(fault, name=name) for name, fault in one.items() if fault], events, run_dir)
    times = [float(event["time"]) for event in events]
    return Matrix([*found.rows, *unknown], round(max(times) - min(times), 1))


def _row_of(told: Mapping[str, Any]) -> Row:
    fields: dict[str, Any] = {name: told[name] for name in Row.__dataclass_fields__ if name in told}
    fields |= {"fate": Fate(told["fate"]), "reds": tuple(Red(**red) for red in told["reds"])}
    fields |= {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return Row(**fields)


def _row(fault: Fault, event: Event | None, run_dir: Path) -> Row:
    if event is None:
        return Row(fault.name, Fate.LOST, note="no result; the guest was lost before it began")
    seconds = round(float(event.get("duration") or 0.0), 1)
    record = next((value for name, value in event.get("properties") or () if name == "fault"), None)
    if record is None:
        return _crashed(fault, event, run_dir)
    if event["outcome"] != Outcome.PASS:
        return Row(fault.name, Fate.ABSENT, note=str(event.get("message") or ""), seconds=seconds)
    return _examined(fault, json.loads(record), seconds)


def _examined(fault: Fault, record: Mapping[str, Any], seconds: float) -> Row:
    ran = [one for one in record["ran"] if one["part"] != "again"]
    reds = tuple(Red(one["test"], one["part"], one["message"]) for one in ran if one["outcome"] in RED)
    named = [red for red in reds if red.part != "control"]
    again = [one for one in record["ran"] if one["part"] == "again"]
    tried = {one["part"] for one in ran if one["part"] != "control"}
    note = "no test on this topology for " + ", ".join(record["without"]) if record["without"] else ""
    if any(one["outcome"] in RED for one in again):
        fate, note = Fate.UNPROVED, f"red without the fault, too: {again[0]['message']}"
    elif named:
        fate = Fate.CAUGHT
    else:
        fate = Fate.SURVIVED if tried else Fate.UNTESTED
    return Row(
        fault.name,
        fate,
        reds=reds,
        green=tuple(sorted(tried - {red.part for red in named})),
        tests=sum(one["part"] != "control" for one in ran),
        control=sum(one["part"] == "control" for one in ran),
        unclean=tuple(record["unclean"]),
        late=bool(record["late"]),
        seconds=seconds,
        note=note,
        raced=round(sum(one.get("raced", 0.0) for one in ran if one["part"] != "control"), 1),
    )


def _crashed(fault: Fault, event: Event, run_dir: Path) -> Row:
    """The guest went away: the last mark on its console names the test."""
    how = f"{event.get('kind')}: {event.get('message')}"
    console = _console(run_dir / str(event.get("console") or ""))
    last = _last_mark(fault, console)
    if last is None:
        return Row(fault.name, Fate.LOST, crashed=how, note="the guest ended before a test had begun")
    part, test = last
    if fault.racy and event.get("kind") in (Kind.TEST_HANG, Kind.GUEST_LOST):
        # No scene was red, and the kernel said nothing: a machine that was too slow looks the same.
        return Row(fault.name, Fate.LOST, crashed=how, note="the guest ended, and not by its kernel")
    fate = Fate.SURVIVED if part == "control" else Fate.UNPROVED if part == "again" else Fate.CAUGHT
    note = "" if fault.crashes else "ended its guest, and is not marked `crashes`"
    seconds = round(float(event.get("duration") or 0.0), 1)
    return Row(
        fault.name,
        fate,
        crashed=how,
        reds=(Red(test, part, how),),
        tests=1,
        seconds=seconds,
        note=note,
        raced=_raced(fault, console),
    )


def _console(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _last_mark(fault: Fault, console: Sequence[str]) -> tuple[str, str] | None:
    marks = [mark for line in console if (mark := _MARK.search(line)) and mark["fault"] == fault.name]
    return (marks[-1]["part"], marks[-1]["test"]) if marks else None


def _raced(fault: Fault, console: Sequence[str]) -> float:
    """Seconds from the fault's first scene to the end of the console, 0 if none was played."""
    mine = [number for number, line in enumerate(console) if f" {fault.name} " in line and _MARK.search(line)]
    rest = console[mine[0] :] if mine else []
    first = next((number for number, line in enumerate(rest) if _SCENE in line), None)
    if first is None:
        return 0.0
    times = [float(time["seconds"]) for line in rest[first:] if (time := _TIME.search(line))]
    return round(times[-1] - times[0], 1) if times else 0.0

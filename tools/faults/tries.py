# SPDX-License-Identifier: GPL-2.0-only
"""Faults that are races: each is tried several times, and what counts is how long it takes to be found.

A try races with scenes of the fault's requirements, one after the other and each round with another seed,
until one is red. Its rows of the matrix are named FAULT#1, FAULT#2 and so on.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median_low
from typing import Any

from tools.errors import UserError
from tools.faults.matrix import Fate, Row
from tools.kernel.faults import Fault

TRIES = 5
SECONDS = 60.0  # of racing, until a try is given up
AROUND = 180  # more than that until its guest is ended: actors start, a scene ends, a hang is told
_SEEDS = 100  # between two tries: no two have a scene in common


@dataclass(frozen=True)
class Trying:
    """How often each fault is tried, for how many seconds of racing, and the seed of the first scene."""

    tries: int = TRIES
    seconds: float = SECONDS
    seed: int = 1


def choose(faults: Mapping[str, Fault], names: Sequence[str]) -> list[Fault]:
    """Return the racy faults, or those named. Raises UserError for one that is not racy."""
    racy = {name: fault for name, fault in faults.items() if fault.racy}
    for name in names:
        if name not in racy:
            raise UserError(f"--fault {name}: no racy fault; these are: {', '.join(racy) or 'none'}")
    return [racy[name] for name in dict.fromkeys(names)] if names else list(racy.values())


def spread(faults: Iterable[Fault], how: Trying) -> list[Fault]:
    """Return one fault for each try, named for it."""
    longest = math.ceil(how.seconds) + AROUND
    return [
        replace(fault, name=f"{fault.name}#{number}", seconds=longest)
        for fault in faults
        for number in range(1, how.tries + 1)
    ]


def fault_of(label: str) -> str:
    """Return the name of the fault that is tried, of another row its own name."""
    return label.partition("#")[0]


def is_try(label: str) -> bool:
    """Whether a row of the matrix is a try."""
    return "#" in label


def encode(tried: Sequence[Fault], how: Trying) -> str:
    """Return the plan for the guests (fixtures/faults.py): a row for each of `spread()`."""
    return json.dumps([_row(fault, how) for fault in tried])


def _row(fault: Fault, how: Trying) -> dict[str, Any]:
    name, _, number = fault.name.partition("#")
    return {
        "name": name,
        "label": fault.name,
        "requirements": list(fault.turns_red),
        "alone": fault.crashes,
        "seconds": how.seconds,
        "seed": how.seed + _SEEDS * (int(number) - 1),
    }


@dataclass(frozen=True)
class Race:
    """All tries of a fault. found: seconds of racing until a scene was red; missed: seconds of those tries in
    which none was; lost: tries without a result; by: the requirements whose scenes were red."""

    fault: str
    found: tuple[float, ...]
    missed: tuple[float, ...]
    lost: int
    by: tuple[str, ...]

    @property
    def median(self) -> float | None:
        """Seconds until it is found: no more than that in half of the tries. None: not found in so many."""
        times = [*self.found, *(math.inf for _ in self.missed)]
        middle = median_low(times) if times else math.inf
        return middle if math.isfinite(middle) else None

    @property
    def good(self) -> bool:
        """Found in at least half of its tries, and none is without a result."""
        return self.median is not None and not self.lost

    def json(self) -> dict[str, Any]:
        """Return it for machines."""
        return asdict(self) | {"median": self.median, "good": self.good}


def races(rows: Iterable[Row]) -> list[Race]:
    """Join the tries among the rows of a matrix."""
    tried: dict[str, list[Row]] = {}
    for row in rows:
        if is_try(row.fault):
            tried.setdefault(fault_of(row.fault), []).append(row)
    return [_race(name, mine) for name, mine in tried.items()]


def _race(name: str, rows: Sequence[Row]) -> Race:
    found = [row for row in rows if row.fate is Fate.CAUGHT]
    missed = [row for row in rows if row.fate is Fate.SURVIVED]
    return Race(
        name,
        found=tuple(row.raced for row in found),
        missed=tuple(row.raced for row in missed),
        lost=len(rows) - len(found) - len(missed),
        by=tuple(dict.fromkeys(red.part for row in found for red in row.caught_by)),
    )


def lines(all_races: Sequence[Race]) -> list[str]:
    """Return the table for people: a line for each fault."""
    width = max((len(race.fault) for race in all_races), default=0)
    return [f"{race.fault:<{width}}  {_text(race)}" for race in all_races]


def _text(race: Race) -> str:
    count = len(race.found) + len(race.missed) + race.lost
    parts = [f"found in {len(race.found)} of {count} tries"]
    if race.found:
        parts[0] += f" by {', '.join(race.by)}"
        parts.append(f"after {', '.join(f'{seconds:.1f}' for seconds in race.found)} s of racing")
    parts.append("no median" if race.median is None else f"median {race.median:.1f} s")
    if race.missed:
        parts.append(f"not found in {', '.join(f'{seconds:.0f}' for seconds in race.missed)} s")
    if race.lost:
        parts.append(f"{race.lost} without a result")
    return "; ".join(parts)

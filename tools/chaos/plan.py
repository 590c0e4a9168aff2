# SPDX-License-Identifier: GPL-2.0-only
"""Which faults are injected, in which order, and into how many sessions.

A fault of the whole run has a session of its own. The others share sessions, in random order, with good tests
between them that must not notice anything.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tools.chaos.data import GOOD, Fault

#: Faults of one session: pytest-xdist tells every guest about every test, and a session that fails is one to
#: do again.
PER_SESSION = 40
#: Good tests around a fault of the whole run: before it, and after it. So many that other guests still have
#: some to do when one is gone for good, half a second after the test began.
AROUND = (3, 24)
#: Not named like a test file: only `pnode chaos` collects it.
TEST = "tools/chaos/inside/misbehaving.py::test_chaos"


@dataclass(frozen=True)
class Session:
    """The tests of one session, in order."""

    faults: tuple[Fault, ...]

    def nodeids(self) -> list[str]:
        """Names of the tests, as inside/misbehaving.py makes them."""
        return [f"{TEST}[{number:03}-{fault.name}]" for number, fault in enumerate(self.faults)]

    @property
    def injected(self) -> int:
        """How many faults are in it."""
        return sum(fault is not GOOD for fault in self.faults)


def draw(known: Sequence[Fault], count: int, seed: int) -> list[Fault]:
    """`count` faults in random order: each of them once before any comes a second time."""
    dice = random.Random(seed)
    drawn: list[Fault] = []
    while len(drawn) < count:
        drawn += dice.sample(known, min(len(known), count - len(drawn)))
    return drawn


def sessions(faults: Sequence[Fault], seed: int, per_session: int = PER_SESSION) -> list[Session]:
    """The sessions for these faults, in random order, so that a series that is stopped has some of each.
    Faults that share a session keep their order."""
    dice = random.Random(seed)
    shared = [fault for fault in faults if fault.by != "run"]
    made = [
        Session(tuple(_mixed(shared[first : first + per_session], dice)))
        for first in range(0, len(shared), per_session)
    ]
    before, after = AROUND
    alone = [Session((*[GOOD] * before, fault, *[GOOD] * after)) for fault in faults if fault.by == "run"]
    return dice.sample([*made, *alone], len(made) + len(alone))


def _mixed(faults: Sequence[Fault], dice: random.Random) -> list[Fault]:
    mixed = [GOOD]
    for fault in faults:
        mixed += [fault, *[GOOD] * dice.choice((0, 1, 1, 2))]
    return [*mixed, GOOD]

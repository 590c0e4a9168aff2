# SPDX-License-Identifier: GPL-2.0-only
"""One act, as a worker of the crew plays it: lives, one after the other, until the time is up.

A life is a forked child, because an act may cost it: who takes too much of P is killed, who reads a bad page
gets SIGBUS. What a life must not die of is a finding, as is one that does not end.
"""

import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from fixtures.process import ChildDied, ChildFactory, ChildTimeout
from helpers.cgroup import Cgroup
from helpers.pace import scaled
from helpers.testmod import TestModule
from selftests.stress.actor import Actor
from selftests.stress.acts import PARTS
from selftests.stress.tally import Tally
from selftests.stress.world import World

__all__ = ["LINGER", "Act", "Told", "play"]

#: Seconds beyond the end of the scene in which a life has to be over: it reads all that it has, on a slow
#: CPU.
LINGER = 20.0
#: What may end a life where the scene says that its actors can be killed.
KILLED = ("SIGKILL", "SIGBUS")


@dataclass(frozen=True)
class Act:
    """What a worker is asked for: a name from acts/, its place in the scene, and the time of CLOCK_MONOTONIC
    at which it ends."""

    name: str
    place: int
    seed: int
    until: float
    world: World


@dataclass
class Told:
    """What came of an act: calls by "name outcome", lives by how they ended, findings."""

    act: Act
    calls: Counter[str] = field(default_factory=Counter)
    lives: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def play(act: Act) -> Told:
    """All lives of an act. Nothing is raised: what went wrong is told."""
    part, told, began = PARTS[act.name], Told(act), time.monotonic()
    mortal = act.world.deadly or part.mortal
    try:
        with contextlib.closing(ChildFactory()) as children:
            while time.monotonic() < act.until and not told.wrong:
                _live(act, told, children, mortal)
    except Exception as error:
        told.wrong.append(_text(act, error))
    told.seconds = time.monotonic() - began
    return told


def _live(act: Act, told: Told, children: ChildFactory, mortal: bool) -> None:
    group = Cgroup(act.world.group) if act.world.group else None
    seconds = (max(act.until - time.monotonic(), 0) + scaled(LINGER)) / scaled(1)
    number = told.lives.total()
    tally = Tally()
    worker = children.start(
        _life, act, number, tally, timeout=seconds, cgroup=group, oom_score_adj=_score(act)
    )
    try:
        worker.finish()
        told.lives["done"] += 1
    except ChildDied as death:
        how = death.signal.name if death.signal else f"status {death.status}"
        told.lives[how] += 1
        if not mortal or how not in KILLED:
            told.wrong.append(
                f"{act.name}, place {act.place}: a life ended by {how}, nothing in this scene kills it"
            )
    except ChildTimeout as late:
        told.lives["stuck"] += 1
        told.wrong.append(f"{act.name}, place {act.place}: {late}")
    except Exception as error:
        told.lives["failed"] += 1
        told.wrong.append(_text(act, error))
    finally:
        told.calls += tally.read()
        tally.close()


def _score(act: Act) -> int:
    return 1000 if PARTS[act.name].greedy else 0


def _life(act: Act, number: int, calls: Tally) -> None:
    part = PARTS[act.name]
    with TestModule.open() as module:
        actor = Actor(act.name, act.place, number, act.seed, act.until, act.world, module, calls)
        part.play(actor)
        if not act.world.spreads:
            actor.look_for_strangers()


def _text(act: Act, error: BaseException) -> str:
    notes: list[Any] = getattr(error, "__notes__", [])
    text = "\n".join([f"{type(error).__name__}: {error}", *notes])
    return f"{act.name}, place {act.place}: {text}"

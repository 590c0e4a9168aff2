# SPDX-License-Identifier: GPL-2.0-only
"""A scene: which acts play at once, for how long, and the seed of all that is drawn. One line of text says
all of it, and plays it again.

    seed=7 seconds=5 flags=0x63 acts=faults,unplug,pingpong,forks
"""

import random
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from helpers.testmod import Ops
from selftests.stress.acts import PARTS

__all__ = ["SIZE", "Scene", "draw", "own", "parse", "scenes", "smaller"]

SCENES = Path(__file__).with_name("scenes.toml")
#: Actors of a scene: more than CPUs, so that each is interrupted in the middle of what it does.
SIZE = 4
#: What the owner has opened, always and by chance.
NEEDED = Ops.MIGRATION | Ops.MEMPOLICY
CHANCE = (Ops.RECLAIM, Ops.NUMA_BALANCING, Ops.COMPACTION, Ops.LONGTERM_PIN)
#: Acts that would take what another of them does for a mistake of the kernel.
ALONE = ("ops", "unplug")
#: Seconds below which a scene is not made shorter.
SHORTEST = 1.0


@dataclass(frozen=True)
class Scene:
    """acts: names of acts/, in the order of their places. flags: NP_OPS of the private nodes."""

    acts: tuple[str, ...]
    seed: int
    seconds: float
    flags: Ops = NEEDED
    refuse: bool = False

    def __str__(self) -> str:
        how = f"flags={int(self.flags):#x}{' refuse=1' if self.refuse else ''}"
        return f"seed={self.seed} seconds={self.seconds:g} {how} acts={','.join(self.acts)}"


def scenes() -> dict[str, dict[str, Any]]:
    """Rows of scenes.toml by name: a requirement's id, and what tells its scenes apart."""
    return tomllib.loads(SCENES.read_text())


def draw(name: str, seed: int, seconds: float) -> Scene:
    """The scene of that name: its own acts, and others by chance."""
    row = scenes()[name]
    rng = random.Random(f"{name}/{seed}")
    acts = list(row["acts"])
    while len(acts) < SIZE:
        acts.append(rng.choice([other for other in row["others"] if other not in ALONE or other not in acts]))
    flags = NEEDED
    for flag in row.get("opened", []):
        flags |= Ops[flag]
    for flag in CHANCE:
        flags |= flag if rng.random() < 0.5 else Ops.NONE
    return Scene(tuple(acts), seed, seconds, flags, bool(row.get("refuse", False)))


def own(name: str, scene: Scene) -> bool:
    """Whether a scene has all that the one of that name always has."""
    row = scenes()[name]
    refuse = bool(row.get("refuse", False))
    return not Counter(row["acts"]) - Counter(scene.acts) and scene.refuse == refuse


def parse(text: str) -> Scene:
    """The scene of a line. Raises ValueError, saying what is wrong with it."""
    example = Scene(("faults", "unplug"), 1, 5.0)
    parts = [word.partition("=")[::2] for word in text.split()]
    try:
        words = dict(parts)
        scene = Scene(
            tuple(words.pop("acts").split(",")),
            int(words.pop("seed")),
            float(words.pop("seconds")),
            Ops(int(words.pop("flags", hex(NEEDED)), 0)),
            words.pop("refuse", "0") == "1",
        )
    except KeyError as missing:
        raise ValueError(f"no scene: {text!r} lacks {missing}; one is: {example}") from None
    except ValueError as error:
        raise ValueError(f"no scene: {text!r}: {error}; one is: {example}") from None
    unknown = [*words, *(name for name in scene.acts if name not in PARTS)]
    if unknown:
        raise ValueError(f"no scene: {text!r}: {unknown[0]} is not known; acts are {', '.join(PARTS)}")
    if any(scene.acts.count(name) > 1 for name in ALONE):
        raise ValueError(f"no scene: {text!r}: of {' and '.join(ALONE)} one plays at a time")
    if not 0 < len(scene.acts) <= SIZE:
        raise ValueError(f"no scene: {text!r}: 1 to {SIZE} acts play at a time")
    return scene


def smaller(scene: Scene) -> Iterator[Scene]:
    """What to try in place of a scene that fails: without one of its acts, or in half the time."""
    for index in range(len(scene.acts)) if len(scene.acts) > 1 else ():
        yield replace(scene, acts=scene.acts[:index] + scene.acts[index + 1 :])
    if scene.seconds / 2 >= SHORTEST:
        yield replace(scene, seconds=scene.seconds / 2)

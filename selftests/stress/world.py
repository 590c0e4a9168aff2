# SPDX-License-Identifier: GPL-2.0-only
"""Where a scene plays: what its actors are told about the machine."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Extent", "World"]


@dataclass(frozen=True)
class Extent:
    """Memory to be plugged and unplugged: node, and bytes."""

    nid: int
    start: int
    size: int


@dataclass(frozen=True)
class World:
    """nodes: ids by letter, D and E ordinary, P and Q private. flags: NP_OPS of P and Q when a scene begins.
    extent: what the act `unplug` has. group: cgroup of all lives.

    shaky: nodes or flags change under the actors, so calls may fail that else may not. deadly: a life may be
    killed, whatever it does. spreads: memory goes to P that nobody bound to it. refuse: allocations of the
    actors' calls fail, by chance. shadowed: memory that comes online needs a shadow for KASAN.
    """

    nodes: dict[str, int]
    flags: int
    extent: Extent | None = None
    group: Path | None = None
    shaky: bool = False
    deadly: bool = False
    spreads: bool = False
    refuse: bool = False
    shadowed: bool = False

# SPDX-License-Identifier: GPL-2.0-only
"""What is looked at while a scene plays: memory of private nodes that nobody of the actors asked for."""

import time
from pathlib import Path

from fixtures.ranges import provided
from helpers.nodes import has_private_memory, vmstat
from selftests.stress.acts import PARTS
from selftests.stress.mapped import foreign
from selftests.stress.scene import Scene
from selftests.stress.watch import strangers

__all__ = ["Look"]

#: Seconds between two walks over the page tables of all tasks.
WALK = 2.0
#: Pages that kswapd has demoted since boot. Whose they are is its own affair, while memory.reclaim, by which
#: the actors have memory demoted, takes that of their cgroup only.
ANYBODYS = "pgdemote_kswapd"


class Look:
    """Frames of private nodes and who has them, from now on. group: cgroup of the actors."""

    def __init__(self, scene: Scene, group: Path) -> None:
        parts = [PARTS[name] for name in scene.acts]
        self.group = group
        # A cpuset takes along what its tasks share with others (MPOL_MF_MOVE_ALL), whoever that is.
        self.frames = not any(part.carries for part in parts)
        # ... and files of theirs that others have mapped are demoted with the rest.
        # On a machine that others use there are too many tables to walk all the time.
        self.tables = not any(part.spreads for part in parts) and "here" not in provided()
        self.demoted, self.walked = vmstat().get(ANYBODYS, 0), time.monotonic()

    def take(self) -> list[str]:
        """What is wrong now."""
        wrong: list[str] = []
        if self.frames:
            wrong += strangers(has_private_memory() or (), self.group)
            if wrong and vmstat().get(ANYBODYS, 0) != self.demoted:
                return []
        if self.tables and time.monotonic() > self.walked + WALK:
            wrong += foreign(self.group)
            self.walked = time.monotonic()
        return wrong

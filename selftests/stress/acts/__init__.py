# SPDX-License-Identifier: GPL-2.0-only
"""What an actor can do to a private node while others do their own: one module an idea.

PARTS has them by the name that a scene calls them by.
"""

from collections.abc import Callable
from dataclasses import dataclass

from selftests.stress.actor import Actor
from selftests.stress.acts import (
    cpusets,
    faults,
    forks,
    greed,
    ops,
    pingpong,
    pins,
    poison,
    reopen,
    splits,
    tiers,
    unplug,
    walks,
)

__all__ = ["PARTS", "Part"]


@dataclass(frozen=True)
class Part:
    """An act, and what it means for a scene to have it.

    mortal: its own lives may be killed. greedy: and are the first that the OOM killer takes. shaky, deadly,
    spreads: see World; a task that is bound to a node which is going can be killed for lack of memory, as
    with an ordinary node. carries: pages that its tasks share with others go along, to any node. takes: it
    has the node of this letter for itself. uncounted: pages of P leave without the driver being asked, or
    come in ways that the kernel's counters do not tell.
    """

    play: Callable[[Actor], None]
    mortal: bool = False
    greedy: bool = False
    shaky: bool = False
    deadly: bool = False
    spreads: bool = False
    carries: bool = False
    takes: str = ""
    uncounted: bool = False


PARTS = {
    "faults": Part(faults.play),
    "unplug": Part(unplug.play, shaky=True, deadly=True, takes="Q", uncounted=True),
    "ops": Part(ops.play, shaky=True, deadly=True, uncounted=True),
    "reopen": Part(reopen.play, shaky=True, deadly=True, uncounted=True),
    "forks": Part(forks.play),
    "pingpong": Part(pingpong.play),
    "walks": Part(walks.play),
    "greed": Part(greed.play, mortal=True, greedy=True, shaky=True),
    "cpusets": Part(cpusets.play, shaky=True, spreads=True, carries=True),
    "tiers": Part(tiers.play, spreads=True, uncounted=True),
    "splits": Part(splits.play),
    "pins": Part(pins.play),
    "poison": Part(poison.play, mortal=True, uncounted=True),
}

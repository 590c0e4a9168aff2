# SPDX-License-Identifier: GPL-2.0-only
"""Greed: a task bound to P takes more than P has, until the OOM killer or an errno ends it."""

from helpers.constants import MADV_POPULATE_WRITE
from helpers.nodes import Node
from helpers.outcome import OK
from selftests.stress.actor import HUGE, Actor
from selftests.stress.owned import Owned

#: Huge pages that are taken at a step, and beyond all that P has.
STEP, MORE = 8, 16
ENOUGH = ("EFAULT", "ENOMEM", "EAGAIN")


def play(me: Actor) -> None:
    has = sum(zone.managed for zone in Node(me.world.nodes["P"]).zones()) // HUGE
    while me.going():
        taken: list[Owned] = []
        while len(taken) * STEP < has + MORE:
            memory = me.memory(STEP * HUGE, thp=me.chance(2))
            taken.append(memory)
            me.bind(memory, "P")
            # EFAULT, ENOMEM: no more to be had, and nobody was killed for it.
            if me.do("populate", memory.advise, MADV_POPULATE_WRITE, allowed=ENOUGH) != OK:
                break
            me.calls.add("half of P", len(taken) * STEP * 2 >= has > (len(taken) - 1) * STEP * 2)
            memory.write(0)
            me.rng.choice(taken).check(0)
        for memory in taken:
            memory.check(*([0] if memory.writes[0] else []))
            memory.close()

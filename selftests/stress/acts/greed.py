# SPDX-License-Identifier: GPL-2.0-only
"""Greed: a task bound to P takes more than P has, until the OOM killer or an errno ends it."""

from helpers.constants import MADV_POPULATE_WRITE
from helpers.outcome import OK
from selftests.stress.actor import HUGE, Actor

#: More than a private node has, in huge pages, and as many taken at a step.
MOST, STEP = 512, 8
ENOUGH = ("EFAULT", "ENOMEM", "EAGAIN")


def play(me: Actor) -> None:
    while me.going():
        taken = []
        for _step in range(MOST // STEP):
            memory = me.memory(STEP * HUGE, thp=me.chance(2))
            taken.append(memory)
            me.bind(memory, "P")
            # EFAULT, ENOMEM: no more to be had, and nobody was killed for it.
            if me.do("populate", memory.advise, MADV_POPULATE_WRITE, allowed=ENOUGH) != OK:
                break
            memory.write(0)
            me.rng.choice(taken).check(0)
        for memory in taken:
            memory.check(*([0] if memory.writes[0] else []))
            memory.close()

# SPDX-License-Identifier: GPL-2.0-only
"""Faults: memory is bound to a private node, touched, dropped, touched again, and given back."""

from helpers.constants import MADV_DONTNEED
from helpers.outcome import OK
from selftests.stress.actor import HUGE, Actor


def play(me: Actor) -> None:
    while me.going():
        huge = me.chance(6)
        shared = not huge and me.chance(4)
        with me.memory(HUGE if huge else me.rng.randint(1, 48), thp=huge, shared=shared) as memory:
            me.bind(memory)
            memory.write()
            for _again in range(3):
                if not me.going():
                    break
                first, count = me.some(memory.pages)
                memory.check(*range(first, first + count))
                dropped = me.do("dontneed", memory.advise, MADV_DONTNEED, first=first, count=count)
                if dropped == OK and not shared:  # shared memory keeps what it has
                    memory.forget(*range(first, first + count))
                memory.write(first)
            memory.check()

# SPDX-License-Identifier: GPL-2.0-only
"""Forks: children that share pages of P, copy some, read all, have children themselves, and end, several at
once."""

import itertools
from functools import partial

from selftests.stress.actor import Actor
from selftests.stress.owned import Owned

PAGES = 24
AT_ONCE = 3
#: Numbers that children go by, so that no two that are alive have the same: each has one of its own.
NUMBERS = range(1, 254, 2)


def play(me: Actor) -> None:
    numbers = itertools.cycle(NUMBERS)
    while me.going():
        with me.bound(PAGES, "P") as memory:
            for _storm in range(3):
                if not me.going():
                    break
                pids = [me.forked(partial(child, me, memory, next(numbers))) for _one in range(AT_ONCE)]
                memory.write(*range(0, PAGES, 3))  # copies, while the children look
                memory.check()
                for pid in pids:
                    me.reap(pid)
                memory.check()


def child(me: Actor, memory: Owned, number: int) -> None:
    """Its own child goes by the next number, and has none."""
    memory.check()
    memory.inherited(number)
    memory.write(*range(0, PAGES, 2))
    pid = me.forked(partial(child, me, memory, number + 1)) if number in NUMBERS else None
    memory.check()
    me.reap(pid)

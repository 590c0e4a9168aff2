# SPDX-License-Identifier: GPL-2.0-only
"""Forks: children that share pages of P, copy some, read all, have children themselves, and end, several at
once."""

from selftests.stress.actor import Actor
from selftests.stress.owned import Owned

PAGES = 24
AT_ONCE = 3


def play(me: Actor) -> None:
    while me.going():
        with me.bound(PAGES, "P") as memory:
            for _storm in range(3):
                if not me.going():
                    break
                pids = [me.forked(lambda: child(me, memory, 1)) for _one in range(AT_ONCE)]
                memory.write(*range(0, PAGES, 3))  # copies, while the children look
                memory.check()
                for pid in pids:
                    me.reap(pid)
                memory.check()


def child(me: Actor, memory: Owned, depth: int) -> None:
    memory.check()
    memory.write(*range(0, PAGES, 2))
    pid = me.forked(lambda: child(me, memory, depth - 1)) if depth else None
    memory.check()
    me.reap(pid)

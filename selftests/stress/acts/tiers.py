# SPDX-License-Identifier: GPL-2.0-only
"""Tiers: cold memory of all actors is demoted to P by memory.reclaim, and promoted by use, by a move or by a
write."""

from helpers.cgroup import Cgroup
from helpers.memory import PAGE_SIZE
from selftests.stress.actor import HUGE, Actor

PAGES = 256


def play(me: Actor) -> None:
    assert me.world.group is not None
    group = Cgroup(me.world.group)
    while me.going():
        huge = me.chance(3)
        with me.bound(HUGE if huge else PAGES, "D", thp=huge) as memory:
            for _turn in range(3):
                if not me.going():
                    break
                # EAGAIN: less than that could be reclaimed.
                me.do("reclaim", group.reclaim, PAGES * PAGE_SIZE * 2, allowed=["EAGAIN"])
                first, count = me.some(memory.pages, 64)
                memory.check(*range(first, first + count))
                me.move(memory, first, 1 if huge else count, me.node("DE"))
                memory.write(first)
            memory.check()

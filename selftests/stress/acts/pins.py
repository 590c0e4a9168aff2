# SPDX-License-Identifier: GPL-2.0-only
"""Pins: short and long-term ones, on memory of private nodes that others migrate and unplug."""

from selftests.stress.actor import Actor

PAGES = 16
#: No such pin here, or a page that could not be moved first.
MAY = ("ENOMEM", "EAGAIN", "EBUSY", "EFAULT")


def play(me: Actor) -> None:
    while me.going():
        with me.bound(PAGES) as memory:
            for _turn in range(4):
                if not me.going():
                    break
                first, count = me.some(PAGES)
                longterm, fast = me.chance(2), me.chance(2)
                kind = "pin longterm" if longterm else "pin"
                where = memory.page_addr(first)
                me.do(kind, me.module.pin, where, count, longterm=longterm, fast=fast, allowed=MAY)
                memory.write(first)
                me.move(memory, first, count, me.node())
                me.pause(me.rng.uniform(0, 0.1))
                memory.check(*range(first, first + count))
                me.module.unpin()
            memory.check()

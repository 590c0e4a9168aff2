# SPDX-License-Identifier: GPL-2.0-only
"""Ping-pong: pages are moved between private and ordinary nodes by move_pages(), some of them huge, while
they are read and written."""

from selftests.stress.actor import HUGE, Actor

PAGES = 32


def play(me: Actor) -> None:
    while me.going():
        huge = me.chance(4)
        with me.bound(HUGE if huge else PAGES, "PQD", thp=huge) as memory:
            for _stroke in range(8):
                if not me.going():
                    break
                first, count = (0, 1) if huge else me.some(PAGES, PAGES)
                me.move(memory, first, count, me.node("PPPQDE"))
                look = range(first, first + count)
                memory.check(*look)
                memory.write(*list(look)[::2])
            memory.check()

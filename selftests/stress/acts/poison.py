# SPDX-License-Identifier: GPL-2.0-only
"""Poison: pages of private nodes go bad, in use, and their frames are given back when nobody has them."""

import signal

from helpers.constants import MADV_HWPOISON, MADV_SOFT_OFFLINE
from helpers.outcome import OK
from helpers.residency import residency
from selftests.callbacks.poison import heal
from selftests.stress.actor import Actor, Unexpected

PAGES = 16
#: A page that somebody holds, or that is bad already.
MAY = ("EBUSY", "EIO", "EHWPOISON", "EAGAIN", "EINVAL")


def play(me: Actor) -> None:
    signal.signal(signal.SIGBUS, lambda *_: None)  # who asks for an error by madvise() is told at once
    while me.going():
        with me.bound(PAGES, "P") as memory:
            index = me.rng.randrange(PAGES)
            frame = residency(memory.memory).frames[index]
            hard = me.chance(2)
            name, advice = ("poison", MADV_HWPOISON) if hard else ("soft offline", MADV_SOFT_OFFLINE)
            seen = me.do(name, memory.advise, advice, first=index, count=1, allowed=MAY)
            if seen == OK and frame is not None and residency(memory.memory).frames[index] == frame:
                raise Unexpected(f"{name}: the page is still mapped to frame {frame:#x}")
            memory.check(*(other for other in range(PAGES) if other != index))
            if not hard:
                memory.check(index)
        if frame is not None:
            heal(frame)
        me.pause(0.05)

# SPDX-License-Identifier: GPL-2.0-only
"""Walks: mbind() of random stretches, modes and nodes, with and without MOVE, around pages in use."""

from helpers.constants import MADV_DONTNEED, MPOL_MF_MOVE, MPOL_MF_STRICT, Mode
from helpers.outcome import OK
from selftests.stress.actor import Actor
from selftests.stress.owned import Owned

PAGES = 48
SETS = (Mode.BIND, Mode.INTERLEAVE, Mode.PREFERRED_MANY, Mode.WEIGHTED_INTERLEAVE)
STEPS = 24


def play(me: Actor) -> None:
    while me.going():
        with me.memory(PAGES) as memory:
            for _step in range(STEPS):
                if not me.going():
                    break
                first, count = me.some(PAGES)
                span = range(first, first + count)
                if me.chance(4):
                    if me.do("dontneed", memory.advise, MADV_DONTNEED, first=first, count=count) == OK:
                        memory.forget(*span)
                elif me.chance(2):
                    memory.write(*span)
                else:
                    _bind(me, memory, first, count)
                memory.check(*span)
            memory.check()


def _bind(me: Actor, memory: Owned, first: int, count: int) -> None:
    mode = me.rng.choice((*SETS, Mode.PREFERRED, Mode.DEFAULT))
    nodes = {me.node() for _one in range(1 if mode == Mode.PREFERRED else 3)} if mode != Mode.DEFAULT else ()
    flags = me.rng.choice((0, MPOL_MF_MOVE, MPOL_MF_MOVE | MPOL_MF_STRICT))
    # EIO: STRICT, and a page that somebody else holds was left where it must not be.
    me.do("mbind", memory.bind, mode, nodes, flags if nodes else 0, first=first, count=count, allowed=["EIO"])

# SPDX-License-Identifier: GPL-2.0-only
"""Reopen: the services of Q are set anew, over and over, while it comes and goes."""

from helpers.testmod import Callbacks, Ops
from selftests.stress.actor import Actor

#: All with MIGRATION, or nothing in use could be unplugged.
OPEN = Ops.MIGRATION | Ops.MEMPOLICY
SETS = (OPEN, OPEN | Ops.COMPACTION, OPEN | Ops.COMPACTION | Ops.NUMA_BALANCING, OPEN | Ops.LONGTERM_PIN)


def play(me: Actor) -> None:
    q = me.world.nodes["Q"]
    while me.going():
        me.do("set_ops", me.module.set_ops, q, me.rng.choice(SETS), Callbacks.ALL)  # ENODEV: it is not there
        me.pause(me.rng.uniform(0, 0.02))

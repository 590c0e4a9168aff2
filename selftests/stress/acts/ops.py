# SPDX-License-Identifier: GPL-2.0-only
"""Ops: the services of P are set, changed and cleared under those who use them."""

from helpers.outcome import OK
from helpers.testmod import Callback, Callbacks, Mode, Object, Ops
from selftests.stress.actor import Actor

SETS = (
    Ops.NONE,
    Ops.MIGRATION,
    Ops.MIGRATION | Ops.MEMPOLICY,
    Ops.MIGRATION | Ops.MEMPOLICY | Ops.RECLAIM,
    Ops.MIGRATION | Ops.PROTECT_WRITE,
    Ops.RECLAIM,
    Ops.MIGRATION | Ops.MEMPOLICY | Ops.COMPACTION | Ops.NUMA_BALANCING,
    Ops.LONGTERM_PIN,
    Ops.MIGRATION | Ops.MEMPOLICY | Ops.DEMOTION,
)


def play(me: Actor) -> None:
    p = me.world.nodes["P"]
    try:
        while me.going():
            if me.chance(4):
                me.do("register", me.module.register, p, Object.NODE)  # it is already: 0, and nothing else
            if me.chance(3):
                if me.do("clear_ops", me.module.clear_ops, p) == OK:
                    me.silent(p, "clear_ops()")
            else:
                me.do("set_ops", me.module.set_ops, p, me.rng.choice(SETS), Callbacks.ALL)
                me.slow_owner(p)
                me.pause(me.rng.uniform(0, 0.05))
    finally:
        me.module.program(p, Callback.MIGRATE_TO, Mode.REAL)
        me.module.set_ops(p, me.world.flags, Callbacks.ALL)

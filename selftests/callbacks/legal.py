# SPDX-License-Identifier: GPL-2.0-only
"""The rules for node_private_ops, written down from the table of service flags (series, patches 12 to 20)."""

from helpers.testmod import Callbacks, Ops

#: "needs MIGRATION"
ON_MIGRATION = Ops.MEMPOLICY | Ops.NUMA_BALANCING | Ops.COMPACTION
#: MIGRATION "needs migrate_to and folio_migrate"
FOR_MIGRATION = Callbacks.MIGRATE_TO | Callbacks.FOLIO_MIGRATE
#: MEMPOLICY "excludes PROTECT_WRITE"
EXCLUSIVE = Ops.MEMPOLICY | Ops.PROTECT_WRITE


def legal(flags: Ops, callbacks: Callbacks) -> bool:
    """Whether node_private_set_ops() has to accept this mix."""
    if Ops.MIGRATION in flags:
        return FOR_MIGRATION in callbacks and EXCLUSIVE not in flags
    return not flags & ON_MIGRATION


def flag_sets() -> list[Ops]:
    """All 256, in an order in which legal and illegal ones alternate."""
    return [Ops(number * 37 % 256) for number in range(256)]

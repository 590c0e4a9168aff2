# SPDX-License-Identifier: GPL-2.0-only
"""What a task in a cpuset is asked to do. For lean children (fixtures/lean.py): its memory joins with it."""

from helpers import syscalls
from helpers.cgroup import mems_allowed
from helpers.constants import MPOL_F_MEMS_ALLOWED, Mode
from helpers.memory import Mapping
from helpers.nodemask import NodeMask
from helpers.outcome import outcome
from helpers.residency import Residency, residency
from selftests.cpuset.following import PAGES

#: Modes that take a mask.
MODES = (Mode.BIND, Mode.PREFERRED, Mode.PREFERRED_MANY, Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE)


def attempts(mask: list[int]) -> dict[str, tuple[str, str]]:
    """What mbind() and set_mempolicy() say to the mask, by mode."""
    with Mapping.anonymous(1) as memory:
        found = {}
        for mode in MODES:
            found[mode.name] = (
                outcome(memory.bind, mode, mask),
                outcome(syscalls.set_mempolicy, mode, mask),
            )
        syscalls.set_mempolicy(Mode.DEFAULT)
        return found


def bound(nids: list[int]) -> Residency:
    """Where memory bound to the nodes is; without nodes: where memory without a policy is."""
    with Mapping.anonymous(PAGES) as memory:
        if nids:
            memory.bind(Mode.BIND, nids)
        memory.touch()
        memory.verify()
        return residency(memory)


def allowed() -> tuple[NodeMask, NodeMask]:
    return mems_allowed(), syscalls.get_mempolicy(None, MPOL_F_MEMS_ALLOWED)[1]

# SPDX-License-Identifier: GPL-2.0-only
"""ZNL-03: the lists after every step of plugging and unplugging, in several orders."""

import pytest

from fixtures.nodes import PrivateRange
from fixtures.requirement import requirement
from helpers.testmod import NodeStates, TestModule
from selftests.zonelists.lists import faults, shown, with_state

# P and Q are plugged as private memory; O is Q's range plugged as ordinary memory, a hot-added node.
SEQUENCES = (
    "+P +Q -P +P -Q +Q -Q -P",
    "+Q +P -P -Q +P -P",
    "+O +P -O +O -P -O",
    "+P +O -P +P -O -P",
    "+O -O +Q -Q +O -O",
    "+P +Q -Q +O -O +Q -P -Q",
)


@requirement("ZNL-03")
@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda text: text.replace(" ", "").replace("+", "_"))
def test_lists_after_every_step(
    testmod: TestModule, unplugged: PrivateRange, second_unplugged: PrivateRange, sequence: str
) -> None:
    base = with_state(testmod, NodeStates.MEMORY)
    private: set[int] = set()
    ordinary = set(base)
    for step in sequence.split():
        target = unplugged if step[1] == "P" else second_unplugged
        members = ordinary if step[1] == "O" else private
        if step[0] == "+":
            target.plug_ordinary() if step[1] == "O" else target.plug()
            members.add(target.nid)
        else:
            target.unplug()
            members.discard(target.nid)
        assert with_state(testmod, NodeStates.MEMORY) == ordinary, f"N_MEMORY after {step} of {sequence}"
        assert with_state(testmod, NodeStates.MEMORY_PRIVATE) == private, f"after {step} of {sequence}"
        wrong = list(faults(testmod, private, ordinary))
        assert not wrong, f"after {step} of {sequence}:\n" + "\n".join([*wrong, shown(testmod)])

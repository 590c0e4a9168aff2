# SPDX-License-Identifier: GPL-2.0-only
"""Cpusets: private nodes are given to all actors and taken away again, under their policies and pages."""

from helpers.cgroup import Cgroup
from selftests.stress.actor import Actor

PAGES = 16
MEMS = ("DEPQ", "DE", "DEP", "DEQ", "DP", "DQ", "D")
#: Without D: all that the tasks have moves, thousands of pages that they share. One flip of so many.
AWAY, RARELY = ("P", "E", "EPQ"), 16


def play(me: Actor) -> None:
    assert me.world.group is not None
    group = Cgroup(me.world.group)
    try:
        while me.going():
            with me.bound(PAGES, "P") as memory:
                for _flip in range(4):
                    letters = me.rng.choice(AWAY if me.chance(RARELY) else MEMS)
                    mems = [me.world.nodes[letter] for letter in letters if letter in me.world.nodes]
                    if not mems:  # "E" where there is no second ordinary node: ENOSPC
                        continue
                    me.do("cpuset", group.set_mems, mems)
                    memory.check()
                    memory.write(*range(0, PAGES, 2))
                    me.pause(0.05)
    finally:
        group.set_mems(me.world.nodes.values())  # empty is ENOSPC while there are tasks

# SPDX-License-Identifier: GPL-2.0-only
"""MPL-07: what of a policy is shown, and that its internal flag is neither shown nor taken."""

from collections.abc import Iterator

import pytest

from fixtures.memory import AnonFactory
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import (
    MPOL_F_ADDR,
    MPOL_F_RELATIVE_NODES,
    MPOL_F_STATIC_NODES,
    MPOL_MF_MOVE,
    Mode,
    mode_name,
)
from helpers.memory import Mapping
from helpers.nodemask import NodeMask
from helpers.outcome import outcome
from helpers.testmod import TestModule
from selftests.mempolicy.placing import PAGES, task_policy
from selftests.mempolicy.shown import numa_maps
from selftests.oracle import located, placed

INTERNAL = 1 << 5  # MPOL_F_PRIVATE of the kernel
#: (mode, nodes, text of numa_maps before the node list)
POLICIES = (
    (Mode.BIND, "P", "bind"),
    (Mode.BIND, "DP", "bind"),
    (Mode.BIND, "PQ", "bind"),
    (Mode.PREFERRED, "P", "prefer"),
    (Mode.PREFERRED_MANY, "DP", "prefer (many)"),
    (Mode.INTERLEAVE, "DPQ", "interleave"),
    (Mode.WEIGHTED_INTERLEAVE, "DP", "weighted interleave"),
    (Mode.BIND | MPOL_F_STATIC_NODES, "DP", "bind=static"),
    (Mode.INTERLEAVE | MPOL_F_STATIC_NODES, "PQ", "interleave=static"),
)
each_policy = pytest.mark.parametrize(
    ("mode", "mask", "text"),
    POLICIES,
    ids=[f"{mode_name(mode).lower().replace('|', '-')}-{mask}" for mode, mask, _text in POLICIES],
)


@requirement("MPL-07")
@core
@each_policy
def test_policy_of_a_range(nodes: dict[str, int], anon: AnonFactory, mode: int, mask: str, text: str) -> None:
    nids = NodeMask(nodes[letter] for letter in mask)
    memory = anon(PAGES)
    memory.bind(mode, nids)
    for _touched in range(2):
        found = syscalls.get_mempolicy(memory.addr, MPOL_F_ADDR)
        assert found == (mode, nids), f"get_mempolicy: {mode_name(found[0])} {found[1]}"
        line = numa_maps(memory.addr)
        assert f"{line} ".startswith(f"{text}:{nids} "), f"numa_maps: {line}"
        memory.touch()


@requirement("MPL-07")
@core
@each_policy
def test_policy_of_a_task(
    nodes: dict[str, int], child: ChildFactory, mode: int, mask: str, text: str
) -> None:
    nids = NodeMask(nodes[letter] for letter in mask)

    def under_policy() -> Iterator[object]:
        with Mapping.anonymous(PAGES) as memory, task_policy(mode, nids):
            found = syscalls.get_mempolicy()
            yield found, memory.addr

    holder = child.start(under_policy)
    found, addr = holder.step()
    assert found == (mode, nids), f"get_mempolicy: {mode_name(found[0])} {found[1]}"
    line = numa_maps(addr, holder.pid)
    assert f"{line} ".startswith(f"{text}:{nids} "), f"numa_maps: {line}"
    holder.finish()


@requirement("MPL-07")
@core
@pytest.mark.parametrize(
    "flag", [0, MPOL_F_STATIC_NODES, MPOL_F_RELATIVE_NODES], ids=["plain", "static", "relative"]
)
def test_internal_flag_in_the_mode_is_refused(
    nodes: dict[str, int], anon: AnonFactory, child: ChildFactory, flag: int
) -> None:
    memory = anon(PAGES)
    before = (Mode.PREFERRED, NodeMask.of(nodes["D"]))
    memory.bind(*before)
    masks = [[nodes["D"]], [nodes["P"]], [nodes["D"], nodes["P"]]]
    asked = [(mode | flag | INTERNAL, nids) for mode in Mode for nids in masks]

    def attempts() -> tuple[list[tuple[str, str]], object, object]:
        with task_policy(*before):
            found = [(outcome(memory.bind, *one), outcome(syscalls.set_mempolicy, *one)) for one in asked]
            return found, syscalls.get_mempolicy(memory.addr, MPOL_F_ADDR), syscalls.get_mempolicy()

    found, of_range, of_task = child(attempts)
    assert found == [("EINVAL", "EINVAL")] * len(asked), (
        f"(mbind, set_mempolicy) for (mode, nodes) of {asked}"
    )
    assert (of_range, of_task) == (before, before), "the old policy is gone"


@requirement("MPL-07")
@core
def test_internal_flag_among_the_flags_is_refused(
    nodes: dict[str, int], mod: TestModule, anon: AnonFactory
) -> None:
    memory = placed(anon(PAGES), nodes["D"])
    memory.bind(Mode.BIND, [nodes["D"], nodes["P"]])
    start, size, addrs = memory.addr, memory.nbytes, memory.addrs()
    found = {
        "mbind": outcome(memory.bind, Mode.BIND, [nodes["P"]], INTERNAL),
        "mbind, MOVE": outcome(memory.bind, Mode.BIND, [nodes["P"]], INTERNAL | MPOL_MF_MOVE),
        "home node": outcome(syscalls.set_mempolicy_home_node, start, size, nodes["P"], INTERNAL),
        "get_mempolicy": outcome(syscalls.get_mempolicy, start, INTERNAL | MPOL_F_ADDR),
        "move_pages": outcome(syscalls.move_pages, 0, addrs, [nodes["P"]] * PAGES, INTERNAL | MPOL_MF_MOVE),
    }
    assert found == dict.fromkeys(found, "EINVAL")
    assert syscalls.get_mempolicy(start, MPOL_F_ADDR) == (Mode.BIND, NodeMask.of(nodes["D"], nodes["P"]))
    assert located(mod, memory).all_on(nodes["D"]), f"moved: {located(mod, memory)}"

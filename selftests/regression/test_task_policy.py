# SPDX-License-Identifier: GPL-2.0-only
"""REG-02, REG-02a and REG-03: set_mempolicy(2) and get_mempolicy(2) on ordinary nodes."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.memory import AnonFactory
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.cgroup import mems_allowed
from helpers.constants import (
    MPOL_F_ADDR,
    MPOL_F_MEMS_ALLOWED,
    MPOL_F_NODE,
    MPOL_F_STATIC_NODES,
    Mode,
)
from helpers.memory import PAGE_SIZE
from helpers.nodemask import NodeMask
from helpers.outcome import OK, outcome
from helpers.testmod import TestModule
from selftests import errnos
from selftests.errnos import BAD_POINTER, POLICY_ROWS
from selftests.mempolicy.placing import PAGES, fault, fault_of_task, task_policy
from selftests.oracle import placed

SINGLE = (Mode.BIND, Mode.PREFERRED, Mode.PREFERRED_MANY, Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE)
WITHOUT_NODES = (Mode.DEFAULT, Mode.LOCAL, Mode.PREFERRED)
TURNS = (Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE)
MEMS, ADDR, NODE = MPOL_F_MEMS_ALLOWED, MPOL_F_ADDR, MPOL_F_NODE


@requirement("REG-02a")
@core
def test_errors(ordinary: dict[str, int], child: ChildFactory) -> None:
    def results(nid: int) -> dict[str, str]:
        return {row.name: errnos.set_mempolicy(row, nid) for row in POLICY_ROWS}

    expected = {row.name: row.result for row in POLICY_ROWS}
    for letter, nid in ordinary.items():
        assert child(results, nid) == expected, f"node {nid} ({letter})"


@requirement("REG-02")
@core
@pytest.mark.parametrize("mode", SINGLE, ids=lambda mode: mode.name.lower().replace("_", "-"))
@pytest.mark.parametrize("letter", ["D", "E"])
def test_pages_of_each_mode(ordinary: dict[str, int], child: ChildFactory, mode: Mode, letter: str) -> None:
    for flag in (0, MPOL_F_STATIC_NODES):
        where = child(fault_of_task, mode | flag, [ordinary[letter]], lean=True)
        assert where.all_on(ordinary[letter]), f"{mode.name} {{{letter}}} of {ordinary}: {where}"


@requirement("REG-02")
@core
@pytest.mark.parametrize(
    "mode", [Mode.DEFAULT, Mode.LOCAL, Mode.PREFERRED], ids=lambda mode: mode.name.lower()
)
def test_modes_without_nodes(ordinary: dict[str, int], child: ChildFactory, mode: Mode) -> None:
    where = child(fault_of_task, mode, [], lean=True)
    assert where.all_on(ordinary["D"]), f"{mode.name}: {where}"


@requirement("REG-02")
@core
def test_policy_of_a_range_comes_first(
    ordinary: dict[str, int], mod: TestModule, child: ChildFactory
) -> None:
    def under_both() -> dict[int, int]:
        with task_policy(Mode.BIND, [ordinary["D"]]):
            return dict(fault(mod, "mbind", Mode.BIND, [ordinary["E"]]).counts)

    assert child(under_both) == {ordinary["E"]: PAGES}


@requirement("REG-02")
@core
def test_fork_inherits_and_reset_is_for_oneself(ordinary: dict[str, int], child: ChildFactory) -> None:
    asked = (Mode.INTERLEAVE, NodeMask(ordinary.values()))

    def parent() -> list[object]:
        with task_policy(*asked):

            def forked() -> tuple[object, object]:
                before = syscalls.get_mempolicy()
                syscalls.set_mempolicy(Mode.DEFAULT)
                return before, syscalls.get_mempolicy()

            return [*ChildFactory()(forked), syscalls.get_mempolicy()]

    assert child(parent) == [asked, (Mode.DEFAULT, NodeMask()), asked]


@requirement("REG-03")
@core
def test_policy_of_range_and_task(ordinary: dict[str, int], anon: AnonFactory, child: ChildFactory) -> None:
    memory = anon(2)
    e = NodeMask.of(ordinary["E"])
    memory.bind(Mode.BIND, e, first=1, count=1)

    def asked() -> list[object]:
        with task_policy(Mode.PREFERRED, e):
            return [
                syscalls.get_mempolicy(),
                syscalls.get_mempolicy(memory.page_addr(0), ADDR),
                syscalls.get_mempolicy(memory.page_addr(1), ADDR),
            ]

    # A range without a policy is said to have the default one, whatever the task's.
    assert child(asked) == [(Mode.PREFERRED, e), (Mode.DEFAULT, NodeMask()), (Mode.BIND, e)]


@requirement("REG-03")
@core
def test_node_of_a_page(ordinary: dict[str, int], anon: AnonFactory) -> None:
    for nid in ordinary.values():
        memory = placed(anon(1), nid)
        assert syscalls.get_mempolicy(memory.addr, ADDR | NODE)[0] == nid


@requirement("REG-03")
@core
@pytest.mark.parametrize(
    "mode", [Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE], ids=lambda mode: mode.name.lower()
)
def test_next_node_of_the_task(ordinary: dict[str, int], child: ChildFactory, mode: Mode) -> None:
    """MPOL_F_NODE without an address: a node of the policy, and in time each of them."""

    def told() -> set[int]:
        found = set()
        with task_policy(mode, ordinary.values()):
            for turn in range(64):
                found.add(syscalls.get_mempolicy(None, NODE)[0])
                ends = os.pipe()
                # Takes pages of the kernel, in turn; each other time by one more, else a number of
                # pages may always lead back to the same node.
                os.write(ends[1], bytes((1 + turn % 2) * PAGE_SIZE))
                for end in ends:
                    os.close(end)
        return found

    assert child(told) == set(ordinary.values())


@requirement("REG-03")
@core
def test_allowed_nodes(ordinary: dict[str, int], child: ChildFactory) -> None:
    mode, nodes = child(syscalls.get_mempolicy, None, MEMS)
    assert mode == 0
    assert nodes == mems_allowed()
    assert set(ordinary.values()) <= set(nodes)


def _cases(anon: AnonFactory) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]]:
    memory, unmapped = anon(1), anon(1)
    unmapped.close()
    raw = syscalls.get_mempolicy_raw
    buffer = memory.addr  # writable memory
    return {
        "flags-unknown": (syscalls.get_mempolicy, (None, 1 << 10), "EINVAL"),
        "flags-negative": (syscalls.get_mempolicy, (None, -1), "EINVAL"),
        "allowed-with-addr": (syscalls.get_mempolicy, (memory.addr, MEMS | ADDR), "EINVAL"),
        "allowed-with-node": (syscalls.get_mempolicy, (None, MEMS | NODE), "EINVAL"),
        "addr-without-the-flag": (syscalls.get_mempolicy, (memory.addr, 0), "EINVAL"),
        "node-without-interleave": (syscalls.get_mempolicy, (None, NODE), "EINVAL"),
        "addr-not-mapped": (syscalls.get_mempolicy, (unmapped.addr, ADDR), "EFAULT"),
        "node-of-addr-not-mapped": (syscalls.get_mempolicy, (unmapped.addr, ADDR | NODE), "EFAULT"),
        "addr-null": (syscalls.get_mempolicy, (0, ADDR), "EFAULT"),
        "mode-pointer-bad": (raw, (BAD_POINTER, 0, 0, 0, 0), "EFAULT"),
        "mask-pointer-bad": (raw, (0, BAD_POINTER, 1025, 0, 0), "EFAULT"),
        "maxnode-0": (raw, (buffer, buffer, 0, 0, 0), "EINVAL"),
        "maxnode-1": (raw, (buffer, buffer, 1, 0, 0), "EINVAL"),
        "nothing-asked": (raw, (0, 0, 0, 0, 0), OK),
        "mode-only": (raw, (buffer, 0, 0, 0, 0), OK),
        "mask-only": (raw, (0, buffer, 1025, 0, 0), OK),
    }  # fmt: skip


@requirement("REG-03")
@core
@pytest.mark.usefixtures("ordinary")
def test_get_mempolicy_errors(anon: AnonFactory) -> None:
    cases = _cases(anon)
    found = {name: outcome(call, *args) for name, (call, args, _result) in cases.items()}
    assert found == {name: result for name, (_call, _args, result) in cases.items()}

# SPDX-License-Identifier: GPL-2.0-only
"""MPL-10, MPL-10a: nodes named by MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES, private ones among them."""

import errno
from collections.abc import Iterator

import pytest

from fixtures.cgroups import CpusetFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_F_ADDR, MPOL_F_RELATIVE_NODES, MPOL_F_STATIC_NODES, Mode
from helpers.memory import Mapping
from helpers.nodemask import NodeMask
from helpers.nodes import Node
from helpers.residency import Residency, residency
from helpers.testmod import Ops, TestModule
from selftests.mempolicy.letters import with_e
from selftests.mempolicy.placing import PAGES, fault, task_policy
from selftests.mempolicy.shown import numa_maps

BIND_STATIC = Mode.BIND | MPOL_F_STATIC_NODES
kinds = pytest.mark.parametrize("by", ["mbind", "set_mempolicy"])


def each_position(mod: TestModule, by: str, positions: range) -> list[Residency]:
    """Where pages are for BIND to the n-th node that is allowed, one n after the other."""
    return [fault(mod, by, Mode.BIND | MPOL_F_RELATIVE_NODES, [n], 4) for n in positions]


@requirement("MPL-10")
@core
@kinds
@pytest.mark.parametrize("mems", ["DP", "EP", "DEP", "DEPQ"])
def test_relative_nodes_count_the_open_private_node(
    nodes: dict[str, int], mod: TestModule, child: ChildFactory, cpuset: CpusetFactory, mems: str, by: str
) -> None:
    allowed = sorted(nodes[letter] for letter in mems)
    positions = range(2 * len(allowed) + 1)
    found = child(each_position, mod, by, positions, cgroup=cpuset(allowed))
    where = [set(one.counts) for one in found]
    assert where == [{allowed[n % len(allowed)]} for n in positions], f"allowed {allowed}: {where}"


def each_position_or_refused(mod: TestModule, by: str, positions: range) -> list[Residency | None]:
    """As each_position(); None where the call says EINVAL."""
    found: list[Residency | None] = []
    for n in positions:
        try:
            found += each_position(mod, by, range(n, n + 1))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            found.append(None)
    return found


@pytest.fixture(params=[Ops.NONE, Ops.MIGRATION], ids=["closed", "migration"])
def closed(request: pytest.FixtureRequest, second_open_node: OpenNode) -> PrivateNode:
    """Q, not open for policies."""
    return second_open_node(request.param)


@requirement("MPL-10")
@core
@kinds
def test_relative_nodes_never_meet_a_closed_one(
    p: PrivateNode, closed: PrivateNode, ordinary_nodes: list[Node], mod: TestModule, child: ChildFactory,
    cpuset: CpusetFactory, by: str,
) -> None:  # fmt: skip
    """Whether it has a place among the nodes, whose number is then refused, or none (MPL-10a)."""
    usable = {p.nid, *(node.nid for node in ordinary_nodes)}
    group = cpuset([*usable, closed.nid])
    found = child(each_position_or_refused, mod, by, range(2 * len(usable) + 2), cgroup=group)
    accepted = [one for one in found if one is not None]
    where = [one and set(one.counts) for one in found]
    assert set().union(*(one.counts for one in accepted)) == usable, f"usable {usable}, {closed}: {where}"
    assert all(one.absent == 0 for one in accepted), f"{[str(one) for one in accepted]}"


@requirement("MPL-10a")
@core
@kinds
def test_closed_node_has_no_place(
    p: PrivateNode, closed: PrivateNode, ordinary_nodes: list[Node], mod: TestModule, child: ChildFactory,
    cpuset: CpusetFactory, by: str,
) -> None:  # fmt: skip
    usable = sorted({p.nid, *(node.nid for node in ordinary_nodes)})
    positions = range(2 * len(usable) + 2)
    found = child(each_position_or_refused, mod, by, positions, cgroup=cpuset([*usable, closed.nid]))
    where = [one and set(one.counts) for one in found]
    assert where == [{usable[n % len(usable)]} for n in positions], f"usable {usable}, {closed}: {where}"


@requirement("MPL-10")
@core
@with_e
def test_relative_interleave_takes_each_of_the_nodes_named(
    nodes: dict[str, int], mod: TestModule, child: ChildFactory, cpuset: CpusetFactory
) -> None:
    allowed = sorted(nodes[letter] for letter in "DEP")
    mode = Mode.INTERLEAVE | MPOL_F_RELATIVE_NODES
    for positions in ([0, 1], [1, 2], [0, 2], [3, 4]):
        where = child(fault, mod, "mbind", mode, positions, 12, cgroup=cpuset(allowed))
        wanted = dict.fromkeys((allowed[n % 3] for n in positions), 6)
        assert where.counts == wanted, f"{positions} of {allowed}: {where}"


def static_policy(by: str, mask: list[int]) -> Iterator[tuple[object, str, Residency]]:
    """BIND|STATIC: the policy, its text, and where a third of the pages is; thrice, as told to go on."""
    with Mapping.anonymous(3 * PAGES) as memory:
        if by == "mbind":
            memory.bind(BIND_STATIC, mask)
        else:
            syscalls.set_mempolicy(BIND_STATIC, mask)
        for first in range(0, 3 * PAGES, PAGES):
            memory.touch(first=first, count=PAGES)
            asked = (memory.addr, MPOL_F_ADDR) if by == "mbind" else ()
            found = residency(memory)
            part = Residency(found.nodes[first : first + PAGES], found.frames[first : first + PAGES])
            yield syscalls.get_mempolicy(*asked), numa_maps(memory.addr), part
        memory.verify()


@requirement("MPL-10", "CPS-03")
@core
@kinds
def test_static_nodes_come_back(
    nodes: dict[str, int], child: ChildFactory, cpuset: CpusetFactory, by: str
) -> None:
    both, mask = [nodes["D"], nodes["P"]], [nodes["P"]]
    group = cpuset(both)
    worker = child.start(static_policy, by, mask, cgroup=group)
    for mems, expected in ((both, "P"), ([nodes["D"]], "D"), (both, "P")):
        group.set_mems(mems)
        policy, text, where = worker.step()
        assert policy == (BIND_STATIC, NodeMask(mask)), f"cpuset {mems}: {policy}"
        assert where.all_on(nodes[expected]), f"BIND|STATIC {mask} in cpuset {mems}: {where}; {text}"
    worker.finish()


@requirement("MPL-10")
@core
@with_e
def test_static_nodes_outside_of_the_cpuset_are_refused(
    nodes: dict[str, int], mod: TestModule, child: ChildFactory, cpuset: CpusetFactory
) -> None:
    """Beside a node that is allowed they are no error, and nothing lands on them."""
    group = cpuset([nodes["D"], nodes["E"]])
    for by in ("mbind", "set_mempolicy"):
        with pytest.raises(OSError, match="Invalid argument"):
            child(fault, mod, by, BIND_STATIC, [nodes["P"]], cgroup=group)
        where = child(fault, mod, by, BIND_STATIC, [nodes["E"], nodes["P"]], cgroup=group)
        assert where.all_on(nodes["E"]), f"{by} BIND|STATIC {{E,P}} in a cpuset {{D,E}}: {where}"


@requirement("MPL-10")
@core
@kinds
@pytest.mark.parametrize("flag", [MPOL_F_STATIC_NODES, MPOL_F_RELATIVE_NODES], ids=["static", "relative"])
def test_what_was_named_is_shown(
    nodes: dict[str, int], child: ChildFactory, cpuset: CpusetFactory, by: str, flag: int
) -> None:
    """Not the nodes that it comes to: those may change with the cpuset."""
    named = NodeMask.of(nodes["D"], nodes["P"]) if flag == MPOL_F_STATIC_NODES else NodeMask.of(1, 5)

    def shown() -> tuple[int, NodeMask]:
        with Mapping.anonymous(1) as memory:
            if by == "mbind":
                memory.bind(Mode.BIND | flag, named)
                return syscalls.get_mempolicy(memory.addr, MPOL_F_ADDR)
            with task_policy(Mode.BIND | flag, named):
                return syscalls.get_mempolicy()

    assert child(shown, cgroup=cpuset([nodes["D"], nodes["P"]])) == (Mode.BIND | flag, named)

# SPDX-License-Identifier: GPL-2.0-only
"""CPS-01, CPS-01a and CPS-02: private nodes as members of cpusets."""

import signal

import pytest

from fixtures.cgroups import CpusetFactory
from fixtures.nodes import OpenNode, PrivateNode, PrivateRange
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.cgroup import Cgroup
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node, node_list
from helpers.outcome import OK
from helpers.residency import Residency, residency
from helpers.testmod import Entry, TestModule
from helpers.wait import wait_until
from selftests.cpuset.conftest import ids, ordinary
from selftests.cpuset.following import PAGES
from selftests.cpuset.inside import MODES, allowed, attempts, bound
from selftests.isolation.world import label
from selftests.mempolicy.letters import with_e, with_q
from selftests.mempolicy.placing import OPEN


@requirement("CPS-01")
@core
@pytest.mark.parametrize("opened", [False, True], ids=["closed", "open"])
def test_root_has_the_node(
    unplugged: PrivateRange, cpuset: CpusetFactory, ordinary_nodes: list[Node], opened: bool
) -> None:
    """The root and a child that asked for nothing, from the plug on and until the unplug."""
    ordinary, inner = {node.nid for node in ordinary_nodes}, cpuset()

    def effective() -> tuple[set[int], set[int]]:
        return set(Cgroup.root().mems_effective()), set(inner.mems_effective())

    assert effective() == (ordinary, ordinary), "the control: nothing is plugged"
    node = unplugged.plug(ops=OPEN if opened else None)
    both = ordinary | {node.nid}
    wait_until(lambda: effective() == (both, both), 5, lambda: f"{both} in root and child: {effective()}")
    node.unplug()
    wait_until(lambda: effective() == (ordinary, ordinary), 5, lambda: f"{ordinary} in both: {effective()}")


@requirement("CPS-01")
@core
@pytest.mark.parametrize("mems", ["DP", "EP", "DEP", "DPQ", "D"])
def test_child_is_given_what_it_asks_for(
    nodes: dict[str, int], child: ChildFactory, cpuset: CpusetFactory, mems: str
) -> None:
    wanted = set(ids(nodes, mems))
    group = cpuset(wanted)
    assert set(group.mems()) == set(group.mems_effective()) == wanted
    for found in child(allowed, cgroup=group, lean=True):
        assert set(found) == wanted, "of a task inside"
    inner = cpuset(parent=group)
    assert set(inner.mems_effective()) == wanted, "of a group inside"


@requirement("CPS-01")
@core
@pytest.mark.parametrize("mems", ["D", "DE", "DQ"])
def test_policies_may_not_name_a_node_outside(
    nodes: dict[str, int], child: ChildFactory, cpuset: CpusetFactory, mems: str
) -> None:
    outside, inside = cpuset(ids(nodes, mems)), cpuset(ids(nodes, mems + "P"))
    refused = {mode.name: ("EINVAL", "EINVAL") for mode in MODES}
    assert child(attempts, [nodes["P"]], cgroup=outside, lean=True) == refused
    granted = dict.fromkeys(refused, (OK, OK))
    assert child(attempts, [nodes["P"]], cgroup=inside, lean=True) == granted, "the control"
    where = child(bound, [nodes["P"]], cgroup=inside, lean=True)
    assert where.all_on(nodes["P"]), f"BIND P from {inside.mems_effective()}: {where}"


@requirement("CPS-01")
@core
@pytest.mark.parametrize(
    ("mask", "mems", "expected"), [("DP", "D", "D"), ("EP", "EQ", "E"), ("DE", "E", "E"), ("PQ", "DQ", "Q")]
)
def test_node_outside_is_dropped_beside_one_inside(
    nodes: dict[str, int], child: ChildFactory, cpuset: CpusetFactory, mask: str, mems: str, expected: str
) -> None:
    """As an ordinary node would be: mbind(2) wants one node that is allowed."""
    where = child(bound, ids(nodes, mask), cgroup=cpuset(ids(nodes, mems)), lean=True)
    assert where.all_on(nodes[expected]), f"BIND {mask} from a cpuset {mems}: {where}"


def pages_of(mod: TestModule, entry: Entry, gfp: int, nid: int) -> set[int]:
    """For a child: where pages are that have to be that node's and that mind the task's cpuset."""
    with mod.alloc(entry, nid, gfp=gfp | mod.gfp.THISNODE | mod.gfp.HARDWALL, count=16) as got:
        return set(got.on_node)


@requirement("CPS-01a")
@core
@pytest.mark.parametrize("entry", [Entry.ALLOC_PAGES_NODE, Entry.FOLIO_ALLOC_NODE, Entry.BULK], ids=label)
@pytest.mark.parametrize("node", ["P", "E"])
def test_who_asks_for_a_node_outside(
    nodes: dict[str, int],
    mod: TestModule,
    child: ChildFactory,
    cpuset: CpusetFactory,
    entry: Entry,
    node: str,
) -> None:
    """Asking opens the gate, not the cpuset: it is as with an ordinary node outside."""
    asked = mod.gfp.HIGHUSER_MOVABLE | (mod.gfp.GFP_PRIVATE if node == "P" else 0)
    outside, inside = cpuset([nodes["D"]]), cpuset([nodes["D"], nodes[node]])
    found = child(pages_of, mod, entry, asked, nodes[node], cgroup=outside)
    assert found == set(), f"asked for {node} in a cpuset {{D}} of {nodes}: pages on {found}"
    assert child(pages_of, mod, entry, asked, nodes[node], cgroup=inside) == {nodes[node]}, "the control"


def device_pages(mod: TestModule, nid: int) -> Residency:
    """For a child: touches memory of a device on the node."""
    mod.device(nid, PAGES * PAGE_SIZE)
    with Mapping.of_fd(mod.fileno(), PAGES, shared=True) as memory:
        memory.touch()
        return residency(memory)


@requirement("CPS-01a")
@core
def test_device_on_a_node_outside(
    nodes: dict[str, int], mod: TestModule, second_mod: TestModule, child: ChildFactory, cpuset: CpusetFactory
) -> None:
    with pytest.raises(ChildDied) as death:
        child(device_pages, mod, nodes["P"], cgroup=cpuset([nodes["D"]]))
    assert death.value.signal == signal.SIGBUS, f"{death.value}"
    where = child(device_pages, second_mod, nodes["P"], cgroup=cpuset(ids(nodes, "DP")))
    assert where.all_on(nodes["P"]), f"the control, in a cpuset with P: {where}"


@requirement("CPS-02")
@core
@pytest.mark.parametrize("above", ["DP", "EP", "DEPQ"])
def test_private_node_alone_comes_with_ordinary_ones(
    nodes: dict[str, int], child: ChildFactory, cpuset: CpusetFactory, above: str
) -> None:
    parent = cpuset(ids(nodes, above))
    group = cpuset([nodes["P"]], parent=parent)
    given = ordinary(nodes, above)
    where = child(bound, [], cgroup=group, lean=True)
    assert where.absent == 0, f"{where}"
    assert set(where.counts) <= given, f"no policy, cpuset {{P}} below {above} of {nodes}: {where}"
    of_p = child(bound, [nodes["P"]], cgroup=group, lean=True)
    assert of_p.all_on(nodes["P"]), f"BIND P: {of_p}"
    for found in child(allowed, cgroup=group, lean=True):
        lent = set(found) - {nodes["P"]}
        assert nodes["P"] in found, f"allowed {found}, cpuset {{P}} below {above} of {nodes}"
        assert lent, f"allowed {found}: no ordinary node, cpuset {{P}} below {above} of {nodes}"
        assert lent <= given, f"allowed {found}, cpuset {{P}} below {above} of {nodes}"


@requirement("CPS-02")
@core
@with_q
def test_private_nodes_of_the_ancestor_are_not_given_away(
    nodes: dict[str, int], child: ChildFactory, cpuset: CpusetFactory
) -> None:
    parent = cpuset(ids(nodes, "DPQ"))
    group = cpuset([nodes["P"]], parent=parent)
    assert set(child(attempts, [nodes["Q"]], cgroup=group, lean=True).values()) == {("EINVAL", "EINVAL")}
    assert set(child(attempts, [nodes["Q"]], cgroup=parent, lean=True).values()) == {(OK, OK)}, "the control"


@requirement("CPS-02")
@core
@with_e
def test_nearest_ancestor_with_ordinary_nodes(
    nodes: dict[str, int], child: ChildFactory, cpuset: CpusetFactory
) -> None:
    """Root has D and E, the middle E and P, the next only P, the last P again."""
    middle = cpuset(ids(nodes, "EP"))
    last = cpuset([nodes["P"]], parent=cpuset([nodes["P"]], parent=middle))
    where = child(bound, [], cgroup=last, lean=True)
    assert where.all_on(nodes["E"]), f"no policy, cpuset {{P}} in {{P}} in {{E,P}}: {where}"


def objects(mod: TestModule, entry: Entry, size: int) -> set[int]:
    """For a child: nodes of kernel objects that it has made."""
    with mod.alloc(entry, -1, gfp=mod.gfp.KERNEL | mod.gfp.HARDWALL, count=16, size=size) as got:
        return set(got.on_node)


@requirement("CPS-02")
@core
@pytest.mark.parametrize("entry", [Entry.FOLIO_ALLOC_TASK, Entry.KMALLOC_NODE], ids=["pages", "slab"])
@with_e
def test_the_kernels_own_memory_is_on_ordinary_nodes(
    nodes: dict[str, int], mod: TestModule, child: ChildFactory, cpuset: CpusetFactory, entry: Entry
) -> None:
    if nodes["E"] not in node_list("has_normal_memory"):
        pytest.skip("needs a second ordinary node with memory for the kernel")
    group = cpuset([nodes["P"]], parent=cpuset(ids(nodes, "EP")))
    size = 64 << 10 if entry is Entry.KMALLOC_NODE else 0
    assert child(objects, mod, entry, size, cgroup=group) == {nodes["E"]}


@requirement("CPS-02")
@core
def test_closed_private_node_alone(
    second_closed_node: PrivateNode, open_node: OpenNode, ordinary_nodes: list[Node], child: ChildFactory,
    cpuset: CpusetFactory,
) -> None:  # fmt: skip
    """Tasks live on the ancestor's ordinary nodes; the node is theirs in name only."""
    open_node(OPEN)
    group = cpuset([second_closed_node.nid])
    where = child(bound, [], cgroup=group, lean=True)
    assert where.absent == 0, f"{where}"
    assert set(where.counts) <= {node.nid for node in ordinary_nodes}, f"cpuset {{closed}}: {where}"
    found = child(attempts, [second_closed_node.nid], cgroup=group, lean=True)
    assert set(found.values()) == {("EINVAL", "EINVAL")}

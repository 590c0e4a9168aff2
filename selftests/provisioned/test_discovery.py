# SPDX-License-Identifier: GPL-2.0-only
"""DSC: how a node that a driver has made shows itself."""

import stat

import pytest

from fixtures.cgroups import MemcgFactory
from fixtures.memory import AnonFactory
from fixtures.private import PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers import paths, syscalls
from helpers.constants import MPOL_F_MEMS_ALLOWED, Mode
from helpers.memory import PAGE_SIZE
from helpers.nodes import Node, has_private_memory, node_list
from helpers.residency import residency
from helpers.testmod import OnlineType, Ops, TestModule
from helpers.wait import wait_until

LISTING = paths.SYS / "devices/system/node/has_private_memory"
PAGES = 64


@requirement("DSC-01")
def test_it_is_listed(provisioned_node: PrivateNode, ordinary_node: Node) -> None:
    assert stat.S_IMODE(LISTING.stat().st_mode) == 0o444
    assert provisioned_node.nid in has_private_memory()
    assert ordinary_node.nid not in has_private_memory()


@requirement("DSC-02")
def test_only_one_open_for_policies_is_in_has_memory(
    provisioned_node: PrivateNode, ordinary_node: Node
) -> None:
    opened = Ops.MEMPOLICY in Ops(provisioned_node.flags or 0)
    assert (provisioned_node.nid in node_list("has_memory")) is opened, f"{provisioned_node}"
    assert ordinary_node.nid in node_list("has_memory")


@requirement("DSC-04")
def test_its_states(provisioned_node: PrivateNode) -> None:
    for name in ("online", "possible"):
        assert provisioned_node.nid in node_list(name), name
    assert provisioned_node.nid not in node_list("has_cpu")


@requirement("DSC-03")
def test_movable_memory_is_not_normal(provisioned_node: PrivateNode, ordinary_node: Node) -> None:
    if provisioned_node.online is not OnlineType.MOVABLE:
        pytest.skip("the driver has put it online in the kernel zone")
    assert provisioned_node.nid not in node_list("has_normal_memory")
    assert ordinary_node.nid in node_list("has_normal_memory")


@requirement("DSC-06")
def test_its_files_read_well(provisioned_node: PrivateNode, ordinary_node: Node) -> None:
    node = provisioned_node.node
    assert node.vmstat()["nr_free_pages"] >= 0
    assert set(node.numastat()) == set(ordinary_node.numastat())
    assert node.distances()[node.nid] == 10
    assert node.distances()[ordinary_node.nid] == ordinary_node.distances()[node.nid]
    assert provisioned_node.blocks(), "no memory block is linked to it"
    assert all(block.state == "online" for block in provisioned_node.blocks())


@requirement("DSC-07")
def test_a_task_may_have_it(provisioned_node: PrivateNode, ordinary_node: Node, child: ChildFactory) -> None:
    _, allowed = child(syscalls.get_mempolicy, 0, MPOL_F_MEMS_ALLOWED)
    assert {provisioned_node.nid, ordinary_node.nid} <= set(allowed), f"mems allowed: {allowed}"


@requirement("DSC-08")
def test_it_is_not_plain_system_ram(provisioned_node: PrivateNode, ordinary_node: Node) -> None:
    names = {}
    for line in (paths.PROC / "iomem").read_text().splitlines():
        span, _, name = line.strip().partition(" : ")
        first, last = (int(word, 16) for word in span.split("-"))
        names[first, last] = name
    inside = [name for (first, last), name in names.items() if first <= provisioned_node.start <= last]
    assert inside, f"nothing in /proc/iomem is at {provisioned_node.start:#x}"
    assert "System RAM" not in inside, f"{provisioned_node} is plain memory to kexec: {inside}"
    assert "System RAM" in names.values(), "the control: no ordinary memory either"


@requirement("DSC-09")
def test_its_pages_are_counted(
    provisioned_policy_node: PrivateNode, anon: AnonFactory, child: ChildFactory, memcg: MemcgFactory
) -> None:
    nid, group = provisioned_policy_node.nid, memcg()

    def take() -> tuple[bool, int]:
        memory = anon(PAGES)
        memory.bind(Mode.BIND, [nid])
        memory.touch()
        rss = memory.smaps()["Rss"]
        wait_until(  # statistics are flushed every two seconds at the latest
            lambda: group.numa_stat()["anon"].get(nid) == rss,
            5,
            lambda: f"{rss} bytes of anon on node {nid}: {group.numa_stat()['anon']}",
        )
        return residency(memory).all_on(nid), rss

    assert child(take, cgroup=group) == (True, PAGES * PAGE_SIZE), "on the node, and counted by smaps"


@requirement("DSC-11")
def test_no_thread_works_on_it(provisioned_closed_node: PrivateNode, ordinary_node: Node) -> None:
    assert provisioned_closed_node.node.kernel_threads() == set()
    assert f"kswapd{ordinary_node.nid}" in ordinary_node.kernel_threads()


@requirement("DSC-01")
def test_the_module_sees_the_same(provisioned_node: PrivateNode, testmod: TestModule) -> None:
    state = testmod.node_state(provisioned_node.nid)
    assert state.managed_pages == provisioned_node.node.managed_pages()
    assert state.ops_flags == state.has_flags, "flags and what node_private_has_flag() says differ"

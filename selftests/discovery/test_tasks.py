# SPDX-License-Identifier: GPL-2.0-only
"""DSC-07, DSC-09 and DSC-12: what tasks and cgroups show of a private node and of pages on it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.cgroups import MemcgFactory
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode, PrivateRange
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.cgroup import Cgroup, mems_allowed
from helpers.constants import MPOL_F_MEMS_ALLOWED, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodemask import NodeMask
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Ops
from helpers.wait import wait_until

OPEN = Ops.MIGRATION | Ops.MEMPOLICY
PAGES = 64


def allowed() -> tuple[NodeMask, NodeMask]:
    """Mems_allowed_list and get_mempolicy(MPOL_F_MEMS_ALLOWED) of the calling task."""
    return mems_allowed(), syscalls.get_mempolicy(None, MPOL_F_MEMS_ALLOWED)[1]


@requirement("DSC-07")
@pytest.mark.parametrize("flags", [None, OPEN], ids=["closed", "open"])
def test_fresh_task_may_use_the_node(
    unplugged: PrivateRange, child: ChildFactory, ordinary_nodes: list[Node], flags: Ops | None
) -> None:
    node = unplugged.plug(ops=flags)
    ordinary = {one.nid for one in ordinary_nodes}
    for found in child(allowed):
        assert found == {node.nid, *ordinary}
    node.unplug()
    for found in child(allowed):
        assert found == ordinary, "the node stayed in after the unplug"


@requirement("DSC-07")
def test_running_task_follows_the_plug(unplugged: PrivateRange, ordinary_nodes: list[Node]) -> None:
    ordinary = {one.nid for one in ordinary_nodes}
    unplugged.plug()
    wait_until(lambda: allowed()[1] == {unplugged.nid, *ordinary}, 5, lambda: f"node allowed, is {allowed()}")
    unplugged.unplug()
    wait_until(lambda: allowed()[1] == ordinary, 5, lambda: f"node no longer allowed, is {allowed()}")


@requirement("DSC-09")
@pytest.mark.parametrize("thp", [False, True], ids=["base", "huge"])
def test_smaps_counts_pages_as_resident(open_node: OpenNode, anon: AnonFactory, thp: bool) -> None:
    node = open_node(OPEN)
    memory = anon(512, thp=thp)
    memory.bind(Mode.BIND, [node.nid])
    assert memory.smaps()["Rss"] == 0
    memory.touch(count=None if thp else PAGES)
    where = residency(memory)
    touched = 512 if thp else PAGES
    assert where.counts == {node.nid: touched}, f"not on the node: {where}"
    assert memory.smaps()["Rss"] == touched * PAGE_SIZE, memory.smaps()
    assert memory.smaps()["Private_Dirty"] == touched * PAGE_SIZE, memory.smaps()


def on_nodes(nodes: list[int]) -> Iterator[None]:
    """Pages bound to each of the nodes, held while the test looks."""
    memories = []
    for nid in nodes:
        memory = Mapping.anonymous(PAGES)
        memory.bind(Mode.BIND, [nid])
        memory.touch()
        assert residency(memory).counts == {nid: PAGES}
        memories.append(memory)
    yield


def wait_anon(group: Cgroup, nid: int, nbytes: int) -> None:
    """Wait for so much anonymous memory on the node: statistics are flushed every two seconds at the
    latest."""
    wait_until(
        lambda: group.numa_stat()["anon"].get(nid) == nbytes,
        5,
        lambda: f"{nbytes} bytes of anon on node {nid}: {group.numa_stat()['anon']}",
    )


@requirement("DSC-09")
def test_memory_numa_stat_counts_them_under_the_node(
    open_node: OpenNode, second_ordinary_node: Node, memcg: MemcgFactory, child: ChildFactory
) -> None:
    node = open_node(OPEN)
    group = memcg()
    holder = child.start(on_nodes, [node.nid, second_ordinary_node.nid], cgroup=group)
    holder.step()

    for nid in (node.nid, second_ordinary_node.nid):
        wait_anon(group, nid, PAGES * PAGE_SIZE)
    holder.finish()


@requirement("DSC-12")
def test_numa_maps_counts_pages_and_names_the_node(open_node: OpenNode, anon: AnonFactory) -> None:
    node: PrivateNode = open_node(OPEN)
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    assert residency(memory).counts == {node.nid: PAGES}
    lines = Path("/proc/self/numa_maps").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{memory.addr:x} "))
    assert line.split()[1] == f"bind:{node.nid}", line
    assert re.search(rf"\bN{node.nid}={PAGES}\b", line), line

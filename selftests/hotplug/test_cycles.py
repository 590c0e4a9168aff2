# SPDX-License-Identifier: GPL-2.0-only
"""HPL-11: plug and unplug, over and over, leave nothing behind."""

from pathlib import Path

import pytest

from fixtures.nodes import PrivateRange, ordinary_node_list
from fixtures.requirement import requirement
from helpers import nodes, paths
from helpers.nodes import node_list
from helpers.testmod import OnlineType, Ops, TestModule
from selftests.hotplug.standing import BARE, standing

CYCLES = 50
#: Times to try so many: what leaks grows each time, what others on the machine do (a thread's stack, a few
#: slabs) does not.
BATCHES = 3
#: Bytes that a cycle may not cost on average. A registration, a memory block or a node's device take more.
SMALLEST = 192
OPEN = Ops.MIGRATION | Ops.MEMPOLICY


def exact(mod: TestModule) -> dict[str, object]:
    """What has to be the same to the last page."""
    return {
        "MemTotal": nodes.meminfo()["MemTotal"],
        "zones": {
            (nid, zone.name): (zone.managed, zone.present)
            for nid in node_list("online")
            for zone in mod.node_state(nid).zones
        },
        "blocks": len(nodes.memory_blocks()),
        "lists": {node.nid: mod.zonelist(node.nid) for node in ordinary_node_list()},
        "references": Path("/sys/module/pnode_test/refcnt").read_text(),
        "resources": Path("/proc/iomem").read_text(),
        "registered": mod.totals().all.registered,
    }


def caches() -> dict[str, int]:
    """Bytes that only ever nearly come back: objects of a slab page, idle directory entries."""
    paths.write_text(Path("/proc/sys/vm/drop_caches"), 3)
    nodes.refresh_vmstat()
    found = nodes.meminfo()
    return {name: found[name] for name in ("SUnreclaim", "Percpu", "VmallocUsed", "KernelStack")}


def cycle(range_: PrivateRange, online: OnlineType, ops: Ops | None) -> None:
    node = range_.plug(online=online, ops=ops)
    assert node.unplug() == 0


@requirement("HPL-11")
@pytest.mark.parametrize("ops", [None, OPEN], ids=["closed", "open"])
@pytest.mark.parametrize("online", [OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])
def test_nothing_is_left(
    unplugged: PrivateRange, mod: TestModule, online: OnlineType, ops: Ops | None
) -> None:
    for _warm in range(5):
        cycle(unplugged, online, ops)
    before, cost = exact(mod), list[dict[str, int]]()
    while len(cost) < BATCHES and (not cost or max(cost[-1].values()) >= CYCLES * SMALLEST):
        cached = caches()
        for _again in range(CYCLES):
            cycle(unplugged, online, ops)
        now = caches()
        cost.append({name: now[name] - cached[name] for name in now})
    assert exact(mod) == before
    assert max(cost[-1].values()) < CYCLES * SMALLEST, f"bytes that {CYCLES} cycles cost, each time: {cost}"
    assert standing(mod, unplugged.nid) == BARE

# SPDX-License-Identifier: GPL-2.0-only
"""CRM-10, CRM-10a, CRM-13: the service or the memory ends while it is in use."""

from collections.abc import Iterator

import pytest

from fixtures.cgroups import MemcgFactory
from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import every_cpu
from fixtures.tiers import Cold, ColdFactory
from helpers.memory import Mapping
from helpers.testmod import Callback, NodeFlags
from helpers.wait import wait_until
from selftests.cram.arrival import MakeCram, arrive
from selftests.services.boost import boost_of

pytestmark = every_cpu

PAGES = 512
ROUNDS = 12


@requirement("CRM-10")
def test_unregister_with_pages(cram: MakeCram, cold: ColdFactory) -> None:
    """What is there stays readable and becomes writable; its frames are flushed no more."""
    node = cram()

    def write(memory: Mapping) -> Iterator[None]:
        memory.touch(2, full=True)
        yield
        memory.verify(2, full=True)

    memory = cold(PAGES, then=write)
    before = arrive(memory, node)
    node.mod.cram_unregister(node.nid)
    assert memory.where().frames == before.frames, f"{before}, now {memory.where()}"
    node.reset_counters()
    memory.step()
    memory.verify()
    assert not node.counters().calls[Callback.FLUSH], "the flush callback was called after the end"


def busy(shared: Mapping) -> int:
    """Writes and reads memory over and over, until it is told to end; says where the memory is."""
    told = shared.view.cast("Q")
    with Mapping.anonymous(PAGES) as memory:
        memory.touch()
        told[1], seed = memory.addr, 1
        while not told[0]:
            memory.verify(seed)
            seed += 1
            memory.touch(seed)
    return seed


@requirement("CRM-10")
def test_unregister_under_load(
    cram: MakeCram, cold: ColdFactory, anon: AnonFactory, child: ChildFactory, memcg: MemcgFactory
) -> None:
    """Again and again, while memory goes down and comes back; no byte is lost and nothing is left."""
    node, shared, group = cram(), anon(1, shared=True), memcg()
    told = shared.view.cast("Q")
    worker = child.start(busy, shared, cgroup=group)
    wait_until(lambda: told[1], 10, "the task to have memory")
    used, idle = Cold(worker, group, told[1], PAGES), cold(PAGES)
    seen = 0
    for _ in range(ROUNDS):
        seen += sum(
            one.reclaim(lambda found: found.any_on(node.nid)).counts[node.nid] for one in (used, idle)
        )
        node.mod.cram_unregister(node.nid)
        assert node.state().ops_flags == 0, f"{node}"
        node.mod.cram_register(node.nid)
    told[0] = 1
    assert worker.finish() > 1, "the busy task never wrote"
    assert seen, "nothing came to the node while it was registered"
    idle.verify()


@requirement("CRM-13")
@pytest.mark.parametrize("pressure", [500, 1000])
def test_pressure_ends_with_the_registration(cram: MakeCram, cold: ColdFactory, pressure: int) -> None:
    """Nobody is left to clear it: kswapd would work for nothing, and the next owner find a node blocked."""
    node = cram()
    node.mod.cram_set_pressure(node.nid, pressure)
    assert boost_of(node), f"the control: no boost of {node} at {pressure}"
    node.mod.cram_unregister(node.nid)
    assert boost_of(node) == 0, f"{node}, unregistered: {boost_of(node)} pages of boost"
    assert not node.state().flags & NodeFlags.BLOCKED, f"{node}, unregistered: still blocked"
    node.mod.cram_register(node.nid)
    arrive(cold(PAGES), node)


def gone(node: PrivateNode, memory: Cold) -> bool:
    found = memory.where()
    return not found.any_on(node.nid) and found.present == memory.pages


@requirement("CRM-10a")
def test_unplug_evacuates(cram: MakeCram, cold: ColdFactory) -> None:
    node = cram()
    memory = cold(2 * PAGES)
    arrive(memory, node)
    node.unplug()
    wait_until(lambda: gone(node, memory), 5, lambda: f"after the unplug: {memory.where()}")
    memory.verify()

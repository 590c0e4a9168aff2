# SPDX-License-Identifier: GPL-2.0-only
"""CPS-07: memory groups count the pages of their tasks on P, and their limits act on them."""

from collections.abc import Iterator

import pytest

from fixtures.cgroups import MemcgFactory
from fixtures.invariants import oom_expected
from fixtures.nodes import MIB, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.cgroup import Cgroup
from helpers.constants import MADV_DONTNEED, MADV_POPULATE_WRITE, MPOL_MF_MOVE, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.wait import wait_until
from selftests.mempolicy.crowd import bystander
from selftests.mempolicy.placing import HUGE

PAGES = 1024
NBYTES = PAGES * PAGE_SIZE
#: Counting lags by a batch of charges per CPU.
LAG = 64 * PAGE_SIZE * 4


def pages_on(nid: int, pages: int, thp: bool = False) -> Iterator[None]:
    """Nothing, then pages on the node, then nothing again."""
    with Mapping.anonymous(pages, thp=thp) as memory:
        memory.bind(Mode.BIND, [nid])
        yield
        memory.advise(MADV_POPULATE_WRITE)
        assert residency(memory).all_on(nid), f"{residency(memory)}"
        yield
        memory.advise(MADV_DONTNEED)
        yield


def grown(group: Cgroup, before: int, by: int, slack: int = LAG) -> None:
    wait_until(
        lambda: abs(group.memory_current - before - by) <= slack,
        10,
        lambda: f"memory.current {before} + {by}, is {group.memory_current}",
    )


def counted_on(group: Cgroup, nid: int, nbytes: int) -> None:
    """The kernel adds up memory.numa_stat lazily: every 2 s, and when many updates are due."""
    wait_until(
        lambda: group.numa_stat()["anon"].get(nid, 0) >= nbytes - LAG,
        10,
        lambda: f"{nbytes} bytes on node {nid}, memory.numa_stat anon: {group.numa_stat()['anon']}",
    )


@requirement("CPS-07")
@pytest.mark.parametrize("thp", [False, True], ids=["base", "huge"])
@pytest.mark.parametrize("letter", ["P", "D"])
def test_pages_are_counted(
    nodes: dict[str, int], memcg: MemcgFactory, child: ChildFactory, letter: str, thp: bool
) -> None:
    group = memcg()
    worker = child.start(pages_on, nodes[letter], 4 * HUGE, thp, cgroup=group)
    worker.step()
    before = group.memory_current
    worker.step()
    grown(group, before, 4 * HUGE * PAGE_SIZE)
    assert int(group.read("memory.peak")) >= before + 4 * HUGE * PAGE_SIZE - LAG
    counted_on(group, nodes[letter], 4 * HUGE * PAGE_SIZE)
    worker.step()
    grown(group, before, 0)
    worker.finish()


@requirement("CPS-07")
def test_pages_that_move_stay_counted(
    nodes: dict[str, int], memcg: MemcgFactory, child: ChildFactory
) -> None:
    """The same bytes, once each, wherever they are. The interpreter takes some more meanwhile."""
    group = memcg()
    stages = (nodes["P"], nodes["D"], nodes["P"])

    def mover() -> Iterator[None]:
        with Mapping.anonymous(4 * PAGES) as memory:
            memory.advise(MADV_POPULATE_WRITE)
            yield
            for nid in stages:
                syscalls.move_pages(0, memory.addrs(), [nid] * memory.pages, MPOL_MF_MOVE)
                assert residency(memory).all_on(nid), f"{residency(memory)}"
                yield

    worker = child.start(mover, cgroup=group)
    worker.step()
    before = group.memory_current
    for nid in stages:
        worker.step()
        grown(group, before, 0, slack=NBYTES)
        counted_on(group, nid, 4 * NBYTES)
    worker.finish()


def greedy(nid: int, count: Mapping) -> Iterator[None]:
    """When told to go on: page by page, well over any limit, counting."""
    words = count.view.cast("Q")
    with Mapping.anonymous(4 * PAGES) as memory:
        memory.bind(Mode.BIND, [nid])
        yield
        for index in range(memory.pages):
            memory.touch(first=index, count=1)
            words[0] = index + 1


@requirement("CPS-07")
@oom_expected
@pytest.mark.parametrize("letter", ["P", "D"])
def test_max_kills_within_the_group(
    nodes: dict[str, int], p: PrivateNode, ordinary_node: Node, memcg: MemcgFactory, child: ChildFactory,
    letter: str,
) -> None:  # fmt: skip
    outside = child.start(bystander, nodes[letter], 16)
    outside.step()
    group = memcg()
    with Mapping.anonymous(1, shared=True) as count:
        count.touch()
        worker = child.start(greedy, nodes[letter], count, cgroup=group)
        worker.step()
        # Set now, because the interpreter's own memory is counted, too.
        group.set_memory(max=group.memory_current + NBYTES)
        death = worker.wait_end(60)
        touched = count.view.cast("Q")[0]
    assert death is not None, f"{touched} pages, memory.max {group.read('memory.max')}"
    assert group.events()["oom_kill"] >= 1, f"{group.events()}"
    assert group.events()["max"] >= 1, f"{group.events()}"
    assert outside.alive, "killed outside of the group"
    outside.finish()


@requirement("CPS-07")
@core
@pytest.mark.parametrize("letter", ["P", "D"])
def test_high_throttles(nodes: dict[str, int], memcg: MemcgFactory, child: ChildFactory, letter: str) -> None:
    """The group goes over the limit since nothing can be reclaimed: it is told so, and goes on slowly."""
    group = memcg()
    worker = child.start(pages_on, nodes[letter], 64, cgroup=group)
    worker.step()
    before = group.events()["high"]
    group.set_memory(high=max(group.memory_current - MIB, 0))
    worker.step(60)
    assert group.events()["high"] > before, f"memory.events: {group.events()}"
    group.set_memory(high="max")
    worker.finish()

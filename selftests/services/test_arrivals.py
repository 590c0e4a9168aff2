# SPDX-License-Identifier: GPL-2.0-only
"""SVC-04b: other ways to a P that protects its folios than move_pages(): all of them end read-only."""

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.tiers import ColdFactory, LowerNode
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL, Mode
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.outcome import outcome
from helpers.residency import residency
from helpers.testmod import Callback, Callbacks, Level, Ops, TestModule
from selftests.filters.kinds import HUGE, KINDS, OPEN, bound
from selftests.migration.moves import NOBODY
from selftests.oracle import Span
from selftests.services.protected import DEAF, faults, levels, writable

SIZES = pytest.mark.parametrize("thp", [False, True], ids=["base", "thp"])


@pytest.fixture
def home(second_open_node: OpenNode) -> PrivateNode:
    """Q, open for policies: a task has nothing there but what it put there itself."""
    return second_open_node(OPEN)


def migrated(memory: Mapping, home: PrivateNode, node: PrivateNode) -> None:
    """migrate_pages(): everything the task has on `home`, which is this memory."""
    bound(memory, home.nid)
    syscalls.migrate_pages(0, [home.nid], [node.nid])
    assert residency(memory).all_on(node.nid), f"{residency(memory)}"
    node.reset_counters()


@requirement("SVC-04b")
@pytest.mark.parametrize("kind", KINDS)
def test_by_migrate_pages(
    guarded: PrivateNode, home: PrivateNode, open_node: OpenNode, anon: AnonFactory, mod: TestModule,
    kind: str,
) -> None:  # fmt: skip
    memory = anon(**KINDS[kind])
    migrated(memory, home, guarded)
    assert writable(mod, memory) == 0, f"{writable(mod, memory)} of {memory.pages} pages on P"
    assert levels(mod, memory) == {Level.PMD if kind == "huge" else Level.PTE}
    memory.verify()
    assert not faults(guarded), "reads fault"
    memory.touch(2, first=0, count=1)
    (event,) = faults(guarded)
    assert (event.addr, event.pid) == (memory.addr, os.getpid()), "the write did not reach the owner"
    memory.verify(2, first=0, count=1)

    open_node(Ops.MIGRATION)
    control = anon(**KINDS[kind])
    migrated(control, home, guarded)
    control.touch(2)
    assert residency(control).all_on(guarded.nid), f"the control, without the flag: {residency(control)}"
    assert writable(mod, control) == control.pages, "the control, without the flag"


@requirement("SVC-04b")
def test_by_migrate_pages_on_behalf_of_another_task(
    guarded: PrivateNode, home: PrivateNode, child: ChildFactory, mod: TestModule
) -> None:
    """The task whose memory it is does nothing; its entries change all the same, and its writes are seen."""

    def work() -> Iterator[Span]:
        with Mapping.anonymous(**KINDS["base"]) as memory:
            bound(memory, home.nid)
            yield Span(memory.addr, memory.pages)
            memory.touch(2)
            yield Span(memory.addr, memory.pages)
            memory.verify(2)

    worker = child.start(work, uid=NOBODY)
    memory = worker.step()
    syscalls.migrate_pages(worker.pid, [home.nid], [guarded.nid])
    assert residency(memory, worker.pid).all_on(guarded.nid), f"{residency(memory, worker.pid)}"
    assert writable(mod, memory, worker.pid) == 0
    guarded.reset_counters()
    worker.step()
    pages = Counter(event.addr for event in faults(guarded) if event.pid == worker.pid)
    assert pages == Counter(memory.addr + index * syscalls.PAGE_SIZE for index in range(memory.pages))
    worker.finish()


@requirement("SVC-04b")
@SIZES
def test_by_demotion(lower_node: LowerNode, cold: ColdFactory, mod: TestModule, thp: bool) -> None:
    def entries() -> tuple[int, set[bool]]:
        """Pages on P, and whether their entries let writes through."""
        report = mod.pages(memory.addr, memory.pages, memory.worker.pid)
        there = [page.writable for page in report if page.nid == node.nid]
        return len(there), set(there)

    node = lower_node(
        Ops.DEMOTION | Ops.PROTECT_WRITE | Ops.MIGRATION, callbacks=DEAF | Callbacks.HANDLE_FAULT
    )
    memory = cold(2 * HUGE, thp=thp, then=write)
    memory.reclaim(lambda found: found.counts[node.nid] > memory.pages // 2)
    pages, found = entries()
    assert pages > memory.pages // 2, f"{memory.where()}"
    assert found == {False}, f"writable among {pages} pages on P"
    node.reset_counters()
    memory.step()
    assert not memory.where().any_on(node.nid), f"written, and still there: {memory.where()}"
    assert node.counters().calls[Callback.HANDLE_FAULT], "the writes did not reach the owner"
    memory.verify()

    node.set_ops(Ops.DEMOTION)
    memory = cold(2 * HUGE, thp=thp)
    memory.reclaim(lambda found: found.counts[node.nid] > memory.pages // 2)
    pages, found = entries()
    assert (pages > memory.pages // 2, found) == (True, {True}), f"the control, without the flag: {found}"


def write(memory: Mapping) -> Iterator[None]:
    memory.touch(2, full=True)
    yield
    memory.verify(2, full=True)


@requirement("SVC-04b")
@pytest.mark.parametrize("flags", [0, MPOL_MF_MOVE, MPOL_MF_MOVE_ALL], ids=["none", "move", "move-all"])
def test_no_policy_brings_any(
    guarded: PrivateNode, anon: AnonFactory, ordinary_node: Node, flags: int
) -> None:
    """mbind() with MOVE is no way there: NP_OPS_MEMPOLICY and NP_OPS_PROTECT_WRITE exclude each other."""
    memory = bound(anon(**KINDS["base"]), ordinary_node.nid)
    assert outcome(memory.bind, Mode.BIND, [guarded.nid], flags) == "EINVAL"
    assert residency(memory).all_on(ordinary_node.nid), f"{residency(memory)}"
    memory.bind(Mode.BIND, [ordinary_node.nid], flags)

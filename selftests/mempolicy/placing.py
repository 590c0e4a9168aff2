# SPDX-License-Identifier: GPL-2.0-only
"""Fresh pages under a policy: of a range by mbind(), or of the task by set_mempolicy()."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from helpers import syscalls
from helpers.constants import MADV_POPULATE_WRITE, Mode, mode_name
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.observed import landed
from helpers.residency import Residency, residency
from helpers.testmod import Ops, TestModule
from selftests.oracle import located

OPEN = Ops.MIGRATION | Ops.MEMPOLICY
PAGES = 16
#: Base pages of a PMD-sized huge page: a page table has entries of 8 bytes. Not read from /sys, because
#: collection needs no kernel.
HUGE = PAGE_SIZE // 8
#: Beyond this only the frames are looked at: contents and cross-check would take most of a test's time.
LOOKED_INTO = 1024
#: The kernel adds up to 2 to a distance, to prefer nodes without CPUs and of higher id.
SLACK = 2
#: `faulted(mode, nodes, pages=PAGES, *, thp=False) -> Residency`, see conftest.py
Faulted = Callable[..., Residency]


@contextmanager
def task_policy(mode: int, nodes: Iterable[int]) -> Iterator[None]:
    """A policy of the calling task. For children: what the test's own process got by it would stay there."""
    syscalls.set_mempolicy(mode, nodes)
    try:
        yield
    finally:
        syscalls.set_mempolicy(Mode.DEFAULT)


def fault(
    mod: TestModule, by: str, mode: int, nodes: Iterable[int], pages: int = PAGES, *, thp: bool = False
) -> Residency:
    """Where fresh private anonymous pages are that were faulted in under the policy. It is noted, too."""
    nodes = list(nodes)
    with Mapping.anonymous(pages, thp=thp) as memory:
        if by == "mbind":
            memory.bind(mode, nodes)
            memory.advise(MADV_POPULATE_WRITE)
        else:
            with task_policy(mode, nodes):
                # By the kernel, so that the interpreter's own pages do not come in between.
                memory.advise(MADV_POPULATE_WRITE)
        if pages > LOOKED_INTO:
            where = residency(memory)
        else:
            memory.touch()
            memory.verify()
            where = located(mod, memory)
        return landed(where, mode_name(mode), nodes, by)


def fault_of_task(mode: int, nodes: Iterable[int], pages: int = PAGES, thp: bool = False) -> Residency:
    """fault() by set_mempolicy(), for a lean child (fixtures/lean.py): it has no descriptor of the module."""
    with TestModule.open() as mod:
        return fault(mod, "set_mempolicy", mode, nodes, pages, thp=thp)


def nearest(home: Node, nids: Iterable[int]) -> set[int]:
    """The nearest of the nodes, seen from `home`; several when the distances do not decide."""
    distances = home.distances()
    least = min(distances[nid] for nid in nids)
    return {nid for nid in nids if distances[nid] <= least + SLACK}

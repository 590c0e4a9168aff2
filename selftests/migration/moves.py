# SPDX-License-Identifier: GPL-2.0-only
"""Moving pages about, and what the owners of private nodes were told of it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from fixtures.private import PrivateNode
from fixtures.process import Child
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE
from helpers.memory import PAGE_SIZE, Mapping
from helpers.outcome import errno_name
from helpers.testmod import Callback, Ops, TestModule
from selftests.oracle import located

OPEN = Ops.MIGRATION
PAGES = 16
NOBODY = 65534
#: Base pages of a PMD-sized huge page: a page table has entries of 8 bytes. Not read from /sys, because
#: collection needs no kernel.
HUGE = PAGE_SIZE // 8
MR_SYSCALL = 3  # enum migrate_reason, include/linux/migrate_mode.h


def names(statuses: Sequence[int]) -> list[int | str]:
    """Statuses of move_pages() with errnos by name, for comparing and for messages."""
    return [status if status >= 0 else errno_name(-status) for status in statuses]


def folio_addrs(memory: Mapping) -> list[int]:
    """An address of each folio: one a page, one a huge page. A folio is moved as a whole, so that naming it
    twice in a list finds it busy."""
    mapped = memory.smaps() if memory.pages % HUGE == 0 else {}
    huge = memory.nbytes in (mapped.get("AnonHugePages"), mapped.get("ShmemPmdMapped"))
    return memory.addrs(step=HUGE if huge else 1)


def move(memory: Mapping, nid: int, flags: int = MPOL_MF_MOVE) -> tuple[int, list[int | str]]:
    """Move all of it to one node: what move_pages() returned, and the statuses."""
    addrs = folio_addrs(memory)
    result, statuses = syscalls.move_pages_result(0, addrs, [nid] * len(addrs), flags)
    return result, names(statuses)


def moved(mod: TestModule, memory: Mapping, nid: int) -> Mapping:
    """Memory that is on a node by move_pages(): for tests that start there."""
    assert move(memory, nid)[0] == 0
    where = located(mod, memory)
    assert where.all_on(nid), f"not on node {nid} to begin with: {where}"
    return memory


def bring_home(worker: Child, nodes: Iterable[int], home: int) -> None:
    """Move all that a child maps on these nodes to ordinary memory, before it ends.

    migrate_pages() of a task takes along the files that nobody else maps at that moment, and they outlive the
    task. By root, so that those go back as well that somebody has mapped since.
    """
    left = syscalls.migrate_pages(worker.pid, sorted(nodes), [home])
    assert left == 0, f"{left} pages of the child did not come home to node {home}"


def reasons(node: PrivateNode) -> Counter[int]:
    """Folios handed to migrate_to since the last reset, by migrate_reason."""
    told: Counter[int] = Counter()
    for event in node.events(Callback.MIGRATE_TO):
        told[event.reason] += event.count
    return told


def share(memory: Mapping) -> Iterator[None]:
    """For a child: map what it has inherited; then the check."""
    memory.verify()
    yield
    memory.verify()

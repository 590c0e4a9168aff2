# SPDX-License-Identifier: GPL-2.0-only
"""Memory that arrives on a node which protects its folios from writes, and what its entries look like."""

from typing import Any

from fixtures.private import PrivateNode
from helpers import syscalls
from helpers.memory import Mapping
from helpers.residency import residency
from helpers.testmod import Callback, Callbacks, Level, Ops, TestModule
from helpers.testmod.results import Event
from selftests.filters.kinds import KINDS, bound
from selftests.migration.moves import folio_addrs

PROTECTED = Ops.MIGRATION | Ops.PROTECT_WRITE
#: What migration needs: an owner that takes no faults.
DEAF = Callbacks.MIGRATE_TO | Callbacks.FOLIO_MIGRATE
FAULT_FLAG_WRITE = 1  # enum fault_flag, include/linux/mm_types.h
PAGES = KINDS["base"]["pages"]


def arrived(memory: Mapping, home: int, node: PrivateNode) -> Mapping:
    """Written on the ordinary node `home`, then moved to the node; nothing of it is recorded."""
    bound(memory, home)
    addrs = folio_addrs(memory)
    syscalls.move_pages(0, addrs, [node.nid] * len(addrs))
    assert residency(memory).all_on(node.nid), f"{residency(memory)}"
    node.reset_counters()
    return memory


def writable(mod: TestModule, memory: Any, pid: int = 0) -> int:
    """Pages with an entry that lets writes through."""
    return sum(1 for page in mod.pages(memory.addr, memory.pages, pid) if page.writable)


def levels(mod: TestModule, memory: Mapping, pid: int = 0) -> set[Level]:
    return {page.level for page in mod.pages(memory.addr, memory.pages, pid)}


def faults(node: PrivateNode) -> list[Event]:
    """Calls of handle_fault since the last look."""
    return node.events(Callback.HANDLE_FAULT)

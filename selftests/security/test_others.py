# SPDX-License-Identifier: GPL-2.0-only
"""SEC-03: other users' tasks."""

import ctypes
from collections.abc import Iterator

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.testmod import Ops, TestModule
from selftests.migration.moves import bring_home
from selftests.oracle import Span, located

OWNER, NOBODY = 65533, 65534
PAGES = 8
PR_SET_DUMPABLE = 4  # linux/prctl.h
OPEN = Ops.MIGRATION | Ops.MEMPOLICY


def holder(nid: int | None) -> Iterator[Span]:
    """For a child: some memory, on the private node if there is one to have it on."""
    # A task that changed its user is closed to all but root until it says otherwise: then users count.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    with Mapping.anonymous(PAGES) as memory:
        memory.touch()
        if nid is not None:
            syscalls.move_pages(0, memory.addrs(), [nid] * PAGES, MPOL_MF_MOVE)
        yield Span(memory.addr, PAGES)
        memory.verify()


def tried(pid: int, memory: Span, nodes: list[int]) -> dict[str, str]:
    """Every call on the task, to and from every node."""
    addrs = [memory.addr + index * PAGE_SIZE for index in range(PAGES)]
    found = {"query": outcome(syscalls.move_pages, pid, addrs, None)}
    for nid in nodes:
        for flags in (MPOL_MF_MOVE, MPOL_MF_MOVE_ALL):
            name = f"move_pages to {nid}, flags {int(flags)}"
            found[name] = outcome(syscalls.move_pages, pid, addrs, [nid] * PAGES, flags)
        for other in nodes:
            found[f"migrate_pages {other} to {nid}"] = outcome(syscalls.migrate_pages, pid, [other], [nid])
    return found


@requirement("SEC-03")
@core
@pytest.mark.parametrize("place", ["on_d", "on_p"])
@pytest.mark.parametrize("owner", [OWNER, 0], ids=["user", "root"])
def test_are_out_of_reach(
    open_node: OpenNode, ordinary_node: Node, mod: TestModule, child: ChildFactory, place: str, owner: int
) -> None:
    node = open_node(OPEN)
    nodes = [ordinary_node.nid, node.nid]
    worker = child.start(holder, node.nid if place == "on_p" else None, uid=owner or None)
    memory = worker.step()
    before = located(mod, memory, worker.pid).frames
    seen = child(tried, worker.pid, memory, nodes, uid=NOBODY)
    assert seen == dict.fromkeys(seen, "EPERM")
    assert located(mod, memory, worker.pid).frames == before, "moved nevertheless"
    worker.finish()


@requirement("SEC-03")
@core
def test_own_tasks_are_not(
    open_node: OpenNode, ordinary_node: Node, mod: TestModule, child: ChildFactory
) -> None:
    """The control: the same calls by the same user on a task of its own, and by root on anybody's."""
    node = open_node(OPEN)
    for uid in (OWNER, None):
        worker = child.start(holder, None, uid=OWNER)
        memory = worker.step()
        addrs = [memory.addr + index * PAGE_SIZE for index in range(PAGES)]
        for nid in (node.nid, ordinary_node.nid):
            seen = child(
                outcome, syscalls.move_pages, worker.pid, addrs, [nid] * PAGES, MPOL_MF_MOVE, uid=uid
            )
            assert seen == OK
            assert located(mod, memory, worker.pid).all_on(nid)
        if uid is not None:  # root's would take along what the task shares with this one
            pair = ([ordinary_node.nid], [node.nid])
            assert child(outcome, syscalls.migrate_pages, worker.pid, *pair, uid=uid) == OK
            assert located(mod, memory, worker.pid).all_on(node.nid)
            bring_home(worker, pair[1], ordinary_node.nid)
        worker.finish()


@requirement("SEC-03")
def test_a_closed_node_changes_nothing(
    closed_node: PrivateNode, ordinary_node: Node, mod: TestModule, child: ChildFactory
) -> None:
    worker = child.start(holder, None, uid=OWNER)
    memory = worker.step()
    seen = child(tried, worker.pid, memory, [ordinary_node.nid, closed_node.nid], uid=NOBODY)
    assert set(seen.values()) == {"EPERM"}, f"{seen}"
    worker.finish()

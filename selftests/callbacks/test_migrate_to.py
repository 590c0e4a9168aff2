# SPDX-License-Identifier: GPL-2.0-only
"""CBK-07: what migrate_to is given, and that its answer counts."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, MPOL_MF_STRICT, Mode
from helpers.memory import Mapping
from helpers.nodes import Node, refresh_vmstat
from helpers.outcome import errno_name
from helpers.residency import residency, residency_of
from helpers.testmod import Callback
from helpers.testmod import Mode as Does
from helpers.wait import wait_until
from selftests.callbacks.putting import KINDS, OPEN, PAGES, heads, move_all
from selftests.migration.moves import bring_home, folio_addrs
from selftests.oracle import placed

NOBODY = 65534
MIGRATE_SYNC = 2  # enum migrate_mode, include/linux/migrate_mode.h
MR_SYSCALL, MR_MEMPOLICY_MBIND = 3, 4  # enum migrate_reason
ERRNOS = [5, 12, 16, 22]
KIND = pytest.mark.parametrize(
    "kind", [pytest.param("base", marks=core), "huge", pytest.param("shmem", marks=core)]
)
MEMORY = KINDS | {"shmem": {"pages": PAGES, "shared": True}}

#: What moves memory to a node, and the reason that the kernel has to give.
CALLS: dict[str, tuple[Callable[[Mapping, int], object], int]] = {
    "move_pages": (
        lambda memory, nid: ask(memory, nid),
        MR_SYSCALL,
    ),
    "mbind": (lambda memory, nid: memory.bind(Mode.BIND, [nid], MPOL_MF_MOVE), MR_MEMPOLICY_MBIND),
}
CALL = pytest.mark.parametrize("call", CALLS)


@requirement("CBK-07")
@KIND
@CALL
def test_it_gets_node_mode_reason_and_all_folios(
    open_node: OpenNode,
    second_open_node: OpenNode,
    ordinary_node: Node,
    anon: AnonFactory,
    kind: str,
    call: str,
) -> None:
    node, other = open_node(OPEN), second_open_node(OPEN)
    memory = placed(anon(**MEMORY[kind]), ordinary_node.nid)
    folios = heads(memory)
    move, reason = CALLS[call]
    move(memory, node.nid)
    events = node.events()
    (asked,) = (event for event in events if event.callback == Callback.MIGRATE_TO)
    listed = Counter(event.pfn for event in events if event.callback == Callback.MIGRATE_FOLIO)
    assert (asked.nid, asked.mode, asked.reason) == (node.nid, MIGRATE_SYNC, reason)
    assert (listed, asked.count) == (folios, len(folios))
    assert not other.events(), "another node's owner was asked"
    assert residency(memory).all_on(node.nid)
    memory.verify()


@requirement("CBK-07")
@core
def test_migrate_pages_hands_over_all_of_the_task(
    open_node: OpenNode, ordinary_node: Node, child: ChildFactory
) -> None:
    node = open_node(OPEN)

    def mover() -> Iterator[object]:
        with Mapping.anonymous(PAGES) as memory:
            placed(memory, ordinary_node.nid)
            yield memory.addr
            yield syscalls.migrate_pages(0, [ordinary_node.nid], [node.nid])
            memory.verify()

    worker = child.start(mover, uid=NOBODY)
    address = worker.step()
    frames = residency_of(address, PAGES, worker.pid).frames
    left = worker.step()
    events = node.events()
    (asked,) = (event for event in events if event.callback == Callback.MIGRATE_TO)
    listed = {event.pfn for event in events if event.callback == Callback.MIGRATE_FOLIO}
    assert (asked.nid, asked.mode, asked.reason) == (node.nid, MIGRATE_SYNC, MR_SYSCALL)
    assert set(frames) <= listed
    assert (left, len(listed)) == (asked.result, asked.count)
    assert residency_of(address, PAGES, worker.pid).all_on(node.nid)
    bring_home(worker, [node.nid], ordinary_node.nid)
    worker.finish()


def isolated(*nodes: Node) -> int:
    """Pages of these nodes that somebody has taken off the LRU lists, the test or another."""
    refresh_vmstat()
    counters = [node.vmstat() for node in nodes]
    return sum(one["nr_isolated_anon"] + one["nr_isolated_file"] for one in counters)


def ask(memory: Mapping, nid: int) -> int | str:
    """move_pages() of all: how many did not move, or the errno."""
    try:
        addrs = folio_addrs(memory)
        return syscalls.move_pages_result(0, addrs, [nid] * len(addrs), MPOL_MF_MOVE)[0]
    except OSError as error:
        return errno_name(error.errno or 0)


def check_unharmed(node: PrivateNode, memory: Mapping, home: Node, moved: int, off: int) -> None:
    """So many are on the node, the rest at home, and no more off the LRU lists than before (others may take
    some of D's for a moment); contents are right and all of it can still move."""
    where = residency(memory)
    assert (where.counts[node.nid], where.counts[home.nid]) == (moved, memory.pages - moved), f"{where}"
    wait_until(
        lambda: isolated(node.node, home) <= off, 10,
        lambda: f"folios back on the LRU lists: {isolated(node.node, home)} pages are off, {off} were before",
    )  # fmt: skip
    memory.verify()
    move_all(memory, node.nid)
    memory.verify()
    memory.touch(seed=2)
    memory.verify(seed=2)


@requirement("CBK-07")
@core
@pytest.mark.parametrize("number", ERRNOS, ids=errno_name)
def test_an_errno_goes_to_the_caller(
    open_node: OpenNode, ordinary_node: Node, anon: AnonFactory, number: int
) -> None:
    node = open_node(OPEN)
    memory = placed(anon(PAGES), ordinary_node.nid)
    off = isolated(node.node, ordinary_node)
    node.program(Callback.MIGRATE_TO, Does.ERRNO, value=number, times=1)
    assert ask(memory, node.nid) == errno_name(number)
    check_unharmed(node, memory, ordinary_node, off=off, moved=0)


@requirement("CBK-07")
@core
@pytest.mark.parametrize("some", [0, 1, PAGES // 2, PAGES - 1, PAGES])
def test_the_number_that_failed_goes_to_the_caller(
    open_node: OpenNode, ordinary_node: Node, anon: AnonFactory, some: int
) -> None:
    node = open_node(OPEN)
    memory = placed(anon(PAGES), ordinary_node.nid)
    off = isolated(node.node, ordinary_node)
    node.program(Callback.MIGRATE_TO, Does.PARTIAL, value=some, times=1)
    assert ask(memory, node.nid) == PAGES - some
    check_unharmed(node, memory, ordinary_node, off=off, moved=some)


@requirement("CBK-07")
@core
@pytest.mark.parametrize("answer", [(Does.ERRNO, 16), (Does.PARTIAL, PAGES // 2)], ids=["errno", "partial"])
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lax"])
def test_mbind_tells_as_far_as_it_is_asked(
    open_node: OpenNode, ordinary_node: Node, anon: AnonFactory, answer: tuple[Does, int], strict: bool
) -> None:
    node = open_node(OPEN)
    memory = placed(anon(PAGES), ordinary_node.nid)
    off = isolated(node.node, ordinary_node)
    node.program(Callback.MIGRATE_TO, answer[0], value=answer[1], times=1)
    flags = MPOL_MF_MOVE | (MPOL_MF_STRICT if strict else 0)
    try:
        memory.bind(Mode.BIND, [node.nid], flags)
        seen = "ok"
    except OSError as error:
        seen = errno_name(error.errno or 0)
    assert seen == ("EIO" if strict else "ok")
    check_unharmed(node, memory, ordinary_node, off=off, moved=answer[1] if answer[0] is Does.PARTIAL else 0)


@requirement("CBK-07")
@pytest.mark.parametrize("answer", [(Does.ERRNO, 12), (Does.PARTIAL, 0)], ids=["errno", "partial"])
def test_a_huge_page_that_does_not_move_stays_huge(
    open_node: OpenNode, ordinary_node: Node, anon: AnonFactory, answer: tuple[Does, int]
) -> None:
    node = open_node(OPEN)
    memory = placed(anon(**KINDS["huge"]), ordinary_node.nid)
    before = residency(memory).frames
    off = isolated(node.node, ordinary_node)
    node.program(Callback.MIGRATE_TO, answer[0], value=answer[1], times=1)
    expected = "ENOMEM" if answer[0] is Does.ERRNO else 1
    assert ask(memory, node.nid) == expected
    assert residency(memory).frames == before
    assert memory.smaps()["AnonHugePages"] == memory.nbytes
    check_unharmed(node, memory, ordinary_node, off=off, moved=0)

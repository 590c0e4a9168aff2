# SPDX-License-Identifier: GPL-2.0-only
"""CBK-03: free_folio, once for each folio whose last reference is put."""

import os
import signal
from collections import Counter
from collections.abc import Callable

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode, stable_free_pages
from fixtures.pressure import SwapFactory
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from fixtures.testmod import AllocFactory
from fixtures.tiers import ColdFactory
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Callback, Entry, FreeHow, OnlineType, Ops, TestModule
from selftests.callbacks.putting import (
    CALLBACKS,
    ENDS,
    FILE_ENDS,
    KINDS,
    OPEN,
    PAGE_ENDS,
    PAGES,
    bound,
    freed,
    heads,
    leaves_neighbour,
    move_all,
)
from selftests.oracle import placed

KIND = pytest.mark.parametrize("kind", [pytest.param("base", marks=core), "huge"])
#: Pages that reclaim is asked for.
SWAPPED = 64
FOLIO_ENTRIES = [Entry.ALLOC_PAGES_NODE, Entry.FOLIO_ALLOC_NODE]


@pytest.fixture(params=[OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])
def node(request: pytest.FixtureRequest, open_node: OpenNode) -> PrivateNode:
    """P with free_folio, which keeps nothing, in either zone."""
    return open_node(OPEN, callbacks=CALLBACKS, online=request.param)


@requirement("CBK-03")
@KIND
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_memory_that_is_unmapped(
    node: PrivateNode, anon: AnonFactory, kind: str, end: Callable[[Mapping], object]
) -> None:
    before = stable_free_pages(node)
    memory = anon(**KINDS[kind])
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    folios = heads(memory)
    assert not freed(node), "called for folios in use"
    end(memory)
    assert freed(node) == folios
    assert stable_free_pages(node) == before


@requirement("CBK-03")
@KIND
@pytest.mark.parametrize("how", ["return", "exec", "kill"])
def test_memory_of_a_process_that_ends(node: PrivateNode, child: ChildFactory, kind: str, how: str) -> None:
    def worker_body() -> object:
        yield from bound(KINDS[kind]["pages"], node.nid, thp=kind == "huge")
        if how == "exec":
            os.execv("/proc/self/exe", ["python", "-c", ""])

    worker = child.start(worker_body)
    folios = worker.step()
    assert not freed(node), "called for folios in use"
    if how == "kill":
        worker.send_signal(signal.SIGKILL)
    worker.wait_end()
    assert freed(node) == folios


@requirement("CBK-03")
@core
@pytest.mark.parametrize("end", FILE_ENDS.values(), ids=FILE_ENDS)
def test_pages_of_a_file_that_goes(node: PrivateNode, end: Callable[[Mapping, int], None]) -> None:
    fd = os.memfd_create("pnode")
    os.ftruncate(fd, PAGES * PAGE_SIZE)
    memory = Mapping.of_fd(fd, PAGES, shared=True)
    memory.touch()
    move_all(memory, node.nid)
    folios = heads(memory)
    node.reset_counters()
    end(memory, fd)
    assert freed(node) == folios
    memory.close()
    if end is not FILE_ENDS["last_close"]:
        os.close(fd)


@requirement("CBK-03")
@core
def test_a_folio_that_others_still_map(node: PrivateNode, anon: AnonFactory, child: ChildFactory) -> None:
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    folios = heads(memory)

    def sharer() -> object:
        yield
        memory.verify()

    worker = child.start(sharer)
    worker.step()
    memory.close()
    assert not freed(node), "called under a mapping of the child"
    worker.finish()
    assert freed(node) == folios


@requirement("CBK-03")
@pytest.mark.parametrize("how", [FreeHow.PUT, FreeHow.BATCH], ids=["single", "batched"])
@pytest.mark.parametrize("entry", FOLIO_ENTRIES, ids=lambda entry: entry.name.lower())
@pytest.mark.parametrize("order", [0, 2, 9])
def test_put_by_the_kernel(
    node: PrivateNode, alloc: AllocFactory, mod: TestModule, how: FreeHow, entry: Entry, order: int
) -> None:
    before = stable_free_pages(node)
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE | mod.gfp.COMP
    taken = alloc(entry, node, gfp=gfp, order=order, count=PAGES)
    assert taken is not None
    assert taken.nid == node.nid
    taken.free(how)
    assert freed(node) == Counter(taken.pfns)
    counters = node.counters()
    assert counters.pages[Callback.FREE_FOLIO] == PAGES << order
    assert stable_free_pages(node) == before


@requirement("CBK-03")
@core
@pytest.mark.parametrize("end", PAGE_ENDS.values(), ids=PAGE_ENDS)
def test_a_page_whose_neighbour_stays(
    node: PrivateNode, anon: AnonFactory, end: Callable[[Mapping, int], None]
) -> None:
    """Of each pair of frames one goes, from amid memory in use: the callback names that one."""
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    frames = residency(memory).frames
    leaving = leaves_neighbour(frames)
    for frame in leaving:
        end(memory, frames.index(frame))
    assert freed(node) == Counter(leaving), f"frames before: {frames}"
    for index in range(PAGES):
        if frames[index] not in leaving:
            memory.verify(first=index, count=1)


@requirement("CBK-03")
@core
@pytest.mark.parametrize("how", [FreeHow.PUT, FreeHow.BATCH], ids=["single", "batched"])
def test_a_put_whose_neighbour_stays(
    node: PrivateNode, alloc: AllocFactory, mod: TestModule, how: FreeHow
) -> None:
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE
    taken = [alloc(Entry.FOLIO_ALLOC_NODE, node, gfp=gfp) for _ in range(PAGES)]
    held = {one.pfns[0]: one for one in taken if one is not None}
    leaving = leaves_neighbour(list(held))
    for frame in leaving:
        held[frame].free(how)
    assert freed(node) == Counter(leaving), f"frames before: {sorted(held)}"


@requirement("CBK-03")
@core
@pytest.mark.parametrize("order", [0, 3])
def test_a_raw_free_is_no_put(node: PrivateNode, alloc: AllocFactory, mod: TestModule, order: int) -> None:
    before = stable_free_pages(node)
    gfp = mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE
    raw = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=gfp, order=order, count=PAGES)
    put = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=gfp | mod.gfp.COMP, order=order, count=PAGES)
    assert raw is not None
    assert put is not None
    raw.free(FreeHow.RAW)
    assert not freed(node)
    put.free(FreeHow.PUT)
    assert freed(node) == Counter(put.pfns), "the control: put"
    assert stable_free_pages(node) == before


@requirement("CBK-03")
@KIND
def test_a_folio_that_moved_away(
    node: PrivateNode, ordinary_node: Node, anon: AnonFactory, kind: str
) -> None:
    memory = placed(anon(**KINDS[kind]), ordinary_node.nid)
    move_all(memory, node.nid)
    folios = heads(memory)
    assert not freed(node), "called for folios that arrived"
    move_all(memory, ordinary_node.nid)
    assert freed(node) == folios
    memory.verify()


@requirement("CBK-03")
def test_a_folio_that_is_swapped_out(open_node: OpenNode, cold: ColdFactory, swap: SwapFactory) -> None:
    """Reclaim frees folios in batches of its own."""
    swap()
    node = open_node(OPEN | Ops.RECLAIM, callbacks=CALLBACKS)
    memory = cold(SWAPPED, nid=node.nid, swap_max="max")
    before = memory.where()
    assert before.all_on(node.nid), f"{node}: {before}"
    assert not freed(node), "called for folios in use"
    found = memory.reclaim(lambda found: found.swapped == SWAPPED)
    gone = Counter(old for old, new in zip(before.frames, found.frames, strict=True) if new is None)
    assert gone, f"nothing was swapped: {found}"
    assert freed(node) == gone
    memory.verify()


@requirement("CBK-03")
@core
def test_a_move_off_the_node_that_fails(
    node: PrivateNode, ordinary_node: Node, anon: AnonFactory, mod: TestModule
) -> None:
    memory = placed(anon(PAGES), ordinary_node.nid)
    move_all(memory, node.nid)
    folios = heads(memory)
    pin = mod.pin(memory.addr, PAGES)
    targets = [ordinary_node.nid] * PAGES
    assert syscalls.move_pages_result(0, memory.addrs(), targets, MPOL_MF_MOVE)[0] == PAGES, "they did move"
    assert heads(memory) == folios
    assert not freed(node), "called for folios that are pinned and mapped"
    mod.unpin(pin)
    memory.close()
    assert freed(node) == folios


@requirement("CBK-03")
@core
def test_a_move_to_the_node_that_fails_gives_the_target_back(
    node: PrivateNode, ordinary_node: Node, anon: AnonFactory, mod: TestModule
) -> None:
    before = stable_free_pages(node)
    memory = placed(anon(1), ordinary_node.nid)
    pin = mod.pin(memory.addr, 1)
    failed, _statuses = syscalls.move_pages_result(0, memory.addrs(), [node.nid], MPOL_MF_MOVE)
    assert failed == 1, "it did move"
    targets = node.events(Callback.FREE_FOLIO)
    assert targets, "nothing was freed: the kernel never had a target, or freed it unseen"
    assert all(event.order == 0 and event.nid == node.nid for event in targets), f"{targets}"
    assert residency(memory).all_on(ordinary_node.nid)
    assert stable_free_pages(node) == before
    mod.unpin(pin)
    move_all(memory, node.nid)

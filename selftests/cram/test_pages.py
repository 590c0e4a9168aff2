# SPDX-License-Identifier: GPL-2.0-only
"""CRM-03 to CRM-05a: what comes to compressed RAM, how it is mapped there, and what a write does."""

import os
from collections.abc import Callable, Iterator

import pytest

from fixtures.requirement import requirement
from fixtures.tiers import Cold, ColdFactory
from helpers import syscalls
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.outcome import errno_name
from helpers.testmod import Level, PteFlags, TestModule
from selftests.cram.arrival import MakeCram, arrive

HUGE = 512  # base pages
#: (memory, source node, target node) -> pages that stay, by what the call says, or its errno
Call = Callable[[Cold, int, int], int | str]
SIZES = pytest.mark.parametrize("thp", [False, True], ids=["base", "thp"])


def writable(mod: TestModule, memory: Cold) -> list[bool]:
    """Page by page, by the entry that maps it."""
    return [
        bool(page.pte & PteFlags.WRITE) for page in mod.pages(memory.addr, memory.pages, memory.worker.pid)
    ]


@requirement("CRM-03")
@SIZES
def test_demotion_brings_memory(cram: MakeCram, cold: ColdFactory, thp: bool) -> None:
    node = cram()
    memory = cold(2 * HUGE, thp=thp)
    found = arrive(memory, node)
    assert found.present == memory.pages, f"{found}"
    assert not thp or found.huge_runs() == 2, f"{found}"
    memory.verify()


def by_move_pages(memory: Cold, _source: int, target: int) -> int | str:
    """Pages that stay, by what the call says, or its errno."""
    addrs = [memory.addr + index * PAGE_SIZE for index in range(memory.pages)]
    try:
        left, status = syscalls.move_pages_result(memory.worker.pid, addrs, [target] * len(addrs))
    except OSError as error:
        return errno_name(error.errno or 0)
    return max(left, sum(nid != target for nid in status))


def by_migrate_pages(memory: Cold, source: int, target: int) -> int | str:
    try:
        return syscalls.migrate_pages(memory.worker.pid, [source], [target])
    except OSError as error:
        return errno_name(error.errno or 0)


@requirement("CRM-03a")
@pytest.mark.parametrize("call", [by_move_pages, by_migrate_pages], ids=["move_pages", "migrate_pages"])
def test_nothing_else_does(
    cram: MakeCram, cold: ColdFactory, ordinary_node: Node, second_ordinary_node: Node, call: Call
) -> None:
    """A call finds a node that takes part in migration, but not for this, and says so: by an errno, or by how
    many pages stay. The control: the same call to D2, where what else the task has may stay as well."""
    node = cram()
    memory = cold(16, nid=ordinary_node.nid)
    said = call(memory, ordinary_node.nid, node.nid)
    found = memory.where()
    assert not found.any_on(node.nid), f"{said}: {found}"
    assert found.present == memory.pages, f"{said}: {found}"
    other = call(memory, ordinary_node.nid, second_ordinary_node.nid)
    assert memory.where().all_on(second_ordinary_node.nid), f"the control: {other}, {memory.where()}"
    assert isinstance(other, int), f"the control: {other}"
    assert isinstance(said, str) or said >= memory.pages + other, f"stayed: {said} of {node}, {other} of D2"
    memory.verify()


def read_twice(memory: Mapping) -> Iterator[None]:
    memory.verify(full=True)
    yield
    memory.verify(full=True)


@requirement("CRM-04")
@SIZES
def test_mapped_read_only(cram: MakeCram, cold: ColdFactory, mod: TestModule, thp: bool) -> None:
    """Reads leave it where it is and as it is mapped."""
    node = cram()
    memory = cold(2 * HUGE, thp=thp, then=read_twice)
    assert all(writable(mod, memory)), "the control: writable on ordinary memory"
    before = arrive(memory, node)
    assert not thp or mod.pages(memory.addr, 1, memory.worker.pid)[0].level is Level.PMD
    memory.step()
    found = memory.where()
    entries = writable(mod, memory)
    wrong = [index for index, nid in enumerate(found.nodes) if nid == node.nid and entries[index]]
    assert not wrong, f"writable on {node}: pages {wrong[:8]} of {found}"
    assert found.frames == before.frames, f"reading moved pages: {before}, now {found}"
    memory.verify()


def by_cpu(memory: Mapping, first: int, count: int) -> None:
    memory.touch(2, first=first, count=count, full=True)


def by_kernel(memory: Mapping, first: int, count: int) -> None:
    """A system call that writes to the task's memory."""
    with Mapping.anonymous(memory.pages) as copy, os.fdopen(os.memfd_create("copy"), "w+b") as file:
        copy.touch(2, full=True)
        os.pwrite(file.fileno(), copy.view, 0)
        offset = first * PAGE_SIZE
        part = memory.view[offset : offset + count * PAGE_SIZE]
        assert os.preadv(file.fileno(), [part], offset) == len(part)


WRITERS: dict[str, Callable[[Mapping, int, int], None]] = {"cpu": by_cpu, "kernel": by_kernel}


def half_written(write: Callable[[Mapping, int, int], None]) -> Callable[[Mapping], Iterator[None]]:
    def work(memory: Mapping) -> Iterator[None]:
        half = memory.pages // 2
        write(memory, 0, half)
        yield
        memory.verify(2, count=half, full=True)
        memory.verify(first=half, count=half, full=True)
        yield

    return work


@SIZES
@pytest.mark.parametrize(
    "writer",
    [
        pytest.param("cpu", marks=requirement("CRM-05")),
        pytest.param("kernel", marks=requirement("CRM-05a")),
    ],
)
def test_a_write_brings_it_back(
    cram: MakeCram, cold: ColdFactory, ordinary_nodes: list[Node], thp: bool, writer: str
) -> None:
    """What is written is on ordinary memory, what is only read stays, and all of it is right."""
    node = cram()
    memory = cold(2 * HUGE, thp=thp, then=half_written(WRITERS[writer]))
    before = arrive(memory, node)
    memory.step()
    found = memory.where()
    half = memory.pages // 2
    written, read = found.nodes[:half], found.nodes[half:]
    assert set(written) <= {one.nid for one in ordinary_nodes}, f"written: {found}, before: {before}"
    assert read == before.nodes[half:], f"only read: {found}, before: {before}"
    memory.verify()


@requirement("CRM-05")
def test_it_may_come_again(cram: MakeCram, cold: ColdFactory) -> None:
    """Down, written, down again: each time the contents are those of the last write."""
    node = cram()

    def again(memory: Mapping) -> Iterator[None]:
        for seed in (2, 3, 4):
            memory.touch(seed, full=True)
            yield
            memory.verify(seed, full=True)

    memory = cold(HUGE, then=again)
    for _ in range(3):
        arrive(memory, node)
        memory.step()
        assert not memory.where().any_on(node.nid), f"after a write: {memory.where()}"
    memory.verify()

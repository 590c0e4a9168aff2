# SPDX-License-Identifier: GPL-2.0-only
"""CBK-09: faults on present entries of P go to the owner, who cannot keep a task from being killed."""

import os
import signal
from collections.abc import Callable

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import every_cpu
from helpers.constants import MADV_POPULATE_WRITE
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Callback, Level
from helpers.testmod import Mode as Does
from helpers.wait import wait_until
from selftests.filters.kinds import KINDS
from selftests.services.protected import FAULT_FLAG_WRITE, PROTECTED, arrived, faults

FAULT_FLAG_USER = 1 << 6
by_kind = pytest.mark.parametrize(
    ("kind", "level"), [("base", Level.PTE), ("huge", Level.PMD), ("shmem", Level.PTE)]
)


@pytest.fixture
def node(open_node: OpenNode) -> PrivateNode:
    """P, whose owner sees each write."""
    return open_node(PROTECTED)


def write(memory: Mapping) -> None:
    memory.touch(2)


def write_by_read(memory: Mapping) -> None:
    """read(2) into it: it is the kernel that writes."""
    with open("/dev/zero", "rb", buffering=0) as file:
        file.readinto(memory.view)


def write_by_gup(memory: Mapping) -> None:
    memory.advise(MADV_POPULATE_WRITE)


ACCESSES: dict[str, Callable[[Mapping], None]] = {
    "user": write,
    "read": write_by_read,
    "populate": write_by_gup,
}
by_access = pytest.mark.parametrize("access", ACCESSES)


@requirement("CBK-09")
@by_kind
@pytest.mark.parametrize("index", [0, 13])
def test_what_it_is_given(
    node: PrivateNode, anon: AnonFactory, ordinary_node: Node, kind: str, level: Level, index: int
) -> None:
    memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, node)
    frames = residency(memory).frames
    memory.touch(2, first=index, count=1)
    (event,) = faults(node)
    assert (event.nid, event.level, event.addr) == (node.nid, level, memory.page_addr(index))
    assert event.pfn == frames[0 if kind == "huge" else index]
    assert event.pid == os.getpid()
    assert event.reason & (FAULT_FLAG_WRITE | FAULT_FLAG_USER) == FAULT_FLAG_WRITE | FAULT_FLAG_USER
    memory.verify(2, first=index, count=1)


@requirement("CBK-09")
@by_kind
@by_access
def test_every_kind_of_write(
    node: PrivateNode, anon: AnonFactory, ordinary_node: Node, access: str, kind: str, level: Level
) -> None:
    memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, node)
    ACCESSES[access](memory)
    events = faults(node)
    assert {event.level for event in events} == {level}
    assert len(events) == (1 if kind == "huge" else memory.pages), f"{len(events)} calls"
    assert not residency(memory).any_on(node.nid), f"{residency(memory)}"
    assert access != "read" or memory.zeroed(), "what read() wrote is not there"


@requirement("CBK-09")
@by_kind
def test_not_for_reads_nor_for_d(
    node: PrivateNode, anon: AnonFactory, ordinary_node: Node, kind: str, level: Level
) -> None:
    memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, node)
    memory.verify()
    with open(os.devnull, "wb", buffering=0) as file:
        file.write(memory.view)
    other = anon(**KINDS[kind])
    other.touch()
    other.touch(2)
    assert not faults(node)
    memory.touch(2)
    assert {event.level for event in faults(node)} == {level}, "the control: a write"


@requirement("CBK-09")
@by_kind
def test_it_may_say_sigbus(
    node: PrivateNode, anon: AnonFactory, ordinary_node: Node, child: ChildFactory, kind: str, level: Level
) -> None:
    memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, node)
    node.program(Callback.HANDLE_FAULT, Does.ERRNO)
    with pytest.raises(ChildDied) as death:
        child(memory.touch, 2)
    assert death.value.signal == signal.SIGBUS, f"{death.value}"
    assert {event.level for event in faults(node)} == {level}
    node.program(Callback.HANDLE_FAULT, Does.REAL)
    memory.verify()
    memory.touch(2)
    memory.verify(2)


@requirement("CBK-09")
@by_kind
@pytest.mark.parametrize("does", [(Does.RETRY, 0, 5), (Does.DELAY, 50, 3)], ids=["retry", "delay"])
def test_it_may_take_its_time(
    node: PrivateNode, anon: AnonFactory, ordinary_node: Node, kind: str, level: Level,
    does: tuple[Does, int, int],
) -> None:  # fmt: skip
    """Tried again, as often as it takes; or slow."""
    memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, node)
    mode, value, times = does
    node.program(Callback.HANDLE_FAULT, mode, value=value, times=times)
    memory.touch(2, first=7, count=1)
    expected = times + 1 if mode is Does.RETRY else 1
    assert len(faults(node)) == expected
    memory.verify(2, first=7, count=1)


@requirement("CBK-09")
@by_kind
@by_access
@pytest.mark.timeout(90)
@every_cpu  # a fault in the kernel's own mode is retried without a point where another task could run
def test_who_retries_for_ever_can_be_killed(
    node: PrivateNode, anon: AnonFactory, ordinary_node: Node, child: ChildFactory, access: str, kind: str,
    level: Level,
) -> None:  # fmt: skip
    memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, node)
    node.program(Callback.HANDLE_FAULT, Does.RETRY)
    worker = child.start(ACCESSES[access], memory)
    wait_until(lambda: node.counters().calls[Callback.HANDLE_FAULT] > 20, 20, "faults again and again")
    assert worker.alive, "it got past the owner"
    assert {(event.level, event.pid) for event in faults(node)} == {(level, worker.pid)}
    worker.kill(seconds=20)
    node.program(Callback.HANDLE_FAULT, Does.REAL)
    memory.verify()


@requirement("CBK-09")
@every_cpu
def test_many_tasks_at_once(
    node: PrivateNode, anon: AnonFactory, ordinary_node: Node, child: ChildFactory
) -> None:
    """They share the memory and write to the same pages: each page is right, and is promoted once."""
    memory = arrived(anon(**KINDS["shmem"]), ordinary_node.nid, node)

    def work(number: int) -> None:
        for index in range(memory.pages):
            memory.view[index * PAGE_SIZE + 64 * number] = number

    workers = [child.start(work, number) for number in range(2, 6)]
    for worker in workers:
        worker.finish()
    for index in range(memory.pages):
        assert [memory.view[index * PAGE_SIZE + 64 * number] for number in range(2, 6)] == [2, 3, 4, 5]
    memory.verify()
    assert not residency(memory).any_on(node.nid), f"{residency(memory)}"

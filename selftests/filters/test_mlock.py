# SPDX-License-Identifier: GPL-2.0-only
"""FLT-01: memory on P can be locked, its folios are not set aside for that."""

from collections.abc import Callable, Iterator

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.settling import drain, stable_free_pages
from helpers import nodes as machine
from helpers import syscalls
from helpers.constants import MADV_POPULATE_WRITE, MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT, Mode
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import PageFlags, TestModule
from selftests.filters.kinds import KINDS, LOCKED, OnNode, having
from selftests.migration.moves import moved
from selftests.noops.pages import Frozen

CALLS: dict[str, Callable[[Mapping], None]] = {
    "mlock": lambda memory: syscalls.mlock(memory.addr, memory.nbytes),
    "mlock2": lambda memory: syscalls.mlock2(memory.addr, memory.nbytes, MLOCK_ONFAULT),
    "mlockall": lambda memory: syscalls.mlockall(MCL_CURRENT | MCL_ONFAULT),
}
anonymous = pytest.mark.parametrize("kind", ["base", "huge"])


@pytest.fixture(autouse=True)
def unlocked() -> Iterator[None]:
    yield
    syscalls.munlockall()


def set_aside(nid: int) -> dict[str, int]:
    """Bytes that the node says are mlocked and unevictable."""
    drain()
    machine.refresh_vmstat()
    found = Node(nid).meminfo()
    return {name: found[name] for name in ("Mlocked", "Unevictable")}


@requirement("FLT-01")
@pytest.mark.parametrize("call", CALLS)
def test_locking(
    held: Mapping, p: PrivateNode, memory_on: OnNode, ordinary_node: Node, mod: TestModule, call: str
) -> None:
    stay, control = Frozen(held), memory_on(ordinary_node.nid)
    before = set_aside(ordinary_node.nid)
    CALLS[call](held)
    CALLS[call](control)
    assert held.smaps()["Locked"], "the mapping on P is not locked"
    drain()
    assert having(mod, control, PageFlags.MLOCKED) == control.pages, "the control is not mlocked"
    assert not having(mod, held, LOCKED), f"{having(mod, held, LOCKED)} of {held.pages} pages on P"
    now = set_aside(ordinary_node.nid)
    assert not any(set_aside(p.nid).values()), f"{p}: {set_aside(p.nid)}"
    assert now["Mlocked"] - before["Mlocked"] >= control.nbytes, f"the control: {before} to {now}"
    stay.check(call)


@requirement("FLT-01")
@anonymous
@pytest.mark.parametrize("flags", [0, MLOCK_ONFAULT], ids=["populate", "on-fault"])
def test_faults_into_locked_memory(
    p: PrivateNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule, kind: str, flags: int
) -> None:
    memory, control = anon(**KINDS[kind]), anon(**KINDS[kind])
    for one, nid in ((memory, p.nid), (control, ordinary_node.nid)):
        one.bind(Mode.BIND, [nid])
        syscalls.mlock2(one.addr, one.nbytes, flags)
        one.touch()
        assert residency(one).all_on(nid), f"{residency(one)}"
    drain()
    assert having(mod, control, PageFlags.MLOCKED) == control.pages, "the control is not mlocked"
    assert not having(mod, memory, LOCKED), f"{having(mod, memory, LOCKED)} of {memory.pages} pages on P"
    assert having(mod, memory, PageFlags.LRU) == memory.pages, "pages on P are on no LRU list"
    assert not any(set_aside(p.nid).values()), f"{p}: {set_aside(p.nid)}"


@requirement("FLT-01")
def test_everything_from_now_on(
    p: PrivateNode, ordinary_node: Node, mod: TestModule, child: ChildFactory
) -> None:
    def locked(nid: int) -> tuple[int, int]:
        syscalls.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)
        with Mapping.anonymous(64) as memory:
            memory.bind(Mode.BIND, [nid])
            memory.touch()
            drain()
            return residency(memory).counts[nid], having(mod, memory, PageFlags.MLOCKED)

    assert child(locked, p.nid) == (64, 0), "(pages on P, mlocked ones)"
    assert child(locked, ordinary_node.nid) == (64, 64), "the control"


@requirement("FLT-01")
@pytest.mark.parametrize("kind", ["base", "shmem"])  # huge folios are left to reclaim, on any node
def test_migrating_locked_memory(
    p: PrivateNode, memory_on: OnNode, ordinary_node: Node, second_ordinary_node: Node, mod: TestModule
) -> None:
    """What arrives on P is not mlocked any more, what leaves it for D is again."""
    memory = memory_on(ordinary_node.nid)
    syscalls.mlock(memory.addr, memory.nbytes)
    for nid, mlocked in (
        (second_ordinary_node.nid, memory.pages), (p.nid, 0), (ordinary_node.nid, memory.pages), (p.nid, 0),
    ):  # fmt: skip
        moved(mod, memory, nid)
        drain()
        assert having(mod, memory, PageFlags.MLOCKED) == mlocked, f"on node {nid}"
    assert not having(mod, memory, LOCKED), "unevictable on P"
    assert not any(set_aside(p.nid).values()), f"{p}: {set_aside(p.nid)}"
    memory.verify()


@requirement("FLT-01")
def test_unlocking(
    held: Mapping, p: PrivateNode, memory_on: OnNode, ordinary_node: Node, mod: TestModule
) -> None:
    control = memory_on(ordinary_node.nid)
    stay, before = Frozen(held), set_aside(ordinary_node.nid)
    for one in (held, control):
        CALLS["mlock"](one)
        syscalls.munlock(one.addr, one.nbytes)
        assert not one.smaps()["Locked"]
        assert not having(mod, one, LOCKED), f"{residency(one)}"
    stay.check("munlock")
    assert set_aside(p.nid) == {"Mlocked": 0, "Unevictable": 0}
    assert set_aside(ordinary_node.nid)["Mlocked"] == before["Mlocked"], "the control"


@requirement("FLT-01")
@anonymous
def test_ending_with_locked_memory(p: PrivateNode, child: ChildFactory, kind: str) -> None:
    """Nothing is left of it: the counts are those of before, and the pages are free again."""
    free = stable_free_pages(p)

    def work() -> Iterator[int]:
        syscalls.mlockall(MCL_FUTURE | MCL_ONFAULT)
        memory = Mapping.anonymous(**KINDS[kind])
        memory.bind(Mode.BIND, [p.nid])
        memory.advise(MADV_POPULATE_WRITE)
        yield residency(memory).counts[p.nid]

    worker = child.start(work)
    assert worker.step() == KINDS[kind]["pages"]
    worker.finish()
    assert set_aside(p.nid) == {"Mlocked": 0, "Unevictable": 0}
    assert stable_free_pages(p) == free

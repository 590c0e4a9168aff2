# SPDX-License-Identifier: GPL-2.0-only
"""SVC-05: nothing makes an entry of a P that protects its folios writable."""

import os
from collections.abc import Iterator

import pytest

from fixtures.knobs import KnobSetter
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers.constants import MREMAP_FIXED, MREMAP_MAYMOVE, PROT_NONE, PROT_READ, PROT_WRITE
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import Ops, PteFlags, TestModule
from helpers.wait import wait_until
from selftests.filters.kinds import KINDS
from selftests.isolation.world import take_all
from selftests.oracle import Span
from selftests.services.hints import scan_often
from selftests.services.protected import PROTECTED, arrived, faults, writable

READ_WRITE = PROT_READ | PROT_WRITE
TOGGLES = {
    "none": [PROT_NONE],
    "read": [PROT_READ],
    "write": [PROT_WRITE],
    "all": [PROT_NONE, PROT_READ, PROT_WRITE],
}


@requirement("SVC-05")
@pytest.mark.parametrize("prots", TOGGLES)
def test_mprotect(
    guarded: PrivateNode, open_node: OpenNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule,
    kind: str, prots: str,
) -> None:  # fmt: skip
    memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, guarded)
    for prot in TOGGLES[prots]:
        for one in (prot, READ_WRITE):
            memory.protect(one)
            assert writable(mod, memory) == 0, f"{writable(mod, memory)} pages after mprotect {one}"
    memory.verify()
    assert not faults(guarded), "reads fault"
    memory.touch(2)
    assert faults(guarded), "a write did not reach the owner"
    memory.verify(2)
    open_node(Ops.MIGRATION)
    control = arrived(anon(**KINDS[kind]), ordinary_node.nid, guarded)
    control.touch()
    for one in (PROT_READ, READ_WRITE):
        control.protect(one)
    assert kind == "shmem" or writable(mod, control) == control.pages, "the control, without the flag"


@requirement("SVC-05")
def test_mremap(
    guarded: PrivateNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule, kind: str
) -> None:
    memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, guarded)
    place = Mapping.anonymous(memory.pages, thp=kind == "huge")
    place.forget()
    memory.remap(memory.pages, MREMAP_MAYMOVE | MREMAP_FIXED, place.addr)
    memory.verify()
    assert residency(memory).all_on(guarded.nid), f"{residency(memory)}"
    assert writable(mod, memory) == 0
    assert not faults(guarded), "reads fault"
    memory.touch(2)
    assert faults(guarded)
    memory.verify(2)


def write_mem(pid: int, addr: int, data: bytes) -> int:
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as file:
        return os.pwrite(file.fileno(), data, addr)


@requirement("SVC-05")
@pytest.mark.parametrize(
    ("kind", "prot"),
    [
        ("base", READ_WRITE),
        ("huge", READ_WRITE),
        ("shmem", READ_WRITE),
        ("base", PROT_READ),
        ("huge", PROT_READ),
    ],
)
def test_a_debugger_asks_the_owner_too(
    guarded: PrivateNode, ordinary_node: Node, mod: TestModule, child: ChildFactory, kind: str, prot: int
) -> None:
    """FOLL_FORCE goes past the protection of the mapping, not past the owner of the page."""

    def work() -> Iterator[Span]:
        with Mapping.anonymous(**KINDS[kind]) as memory:
            arrived(memory, ordinary_node.nid, guarded)
            memory.protect(prot)
            yield Span(memory.addr, memory.pages)
            assert memory.page(0)[64:72] == b"debugger"
            memory.verify()

    worker = child.start(work)
    memory = worker.step()
    page = mod.pages(memory.addr, 1, worker.pid)[0]
    assert write_mem(worker.pid, memory.addr + 64, b"debugger") == 8
    events = faults(guarded)
    assert events, "the owner was not asked"
    assert {event.pfn for event in events} == {page.pfn}
    assert mod.pages(memory.addr, 1, worker.pid)[0].nid != guarded.nid, "written on P"
    worker.finish()


@requirement("SVC-05")
@pytest.mark.parametrize("kind", ["base", "huge"])
@pytest.mark.usefixtures("second_ordinary_node")  # of the last ordinary node the module leaves some
@pytest.mark.disruptive
def test_numa_hints(
    open_node: OpenNode,
    child: ChildFactory,
    ordinary_node: Node,
    mod: TestModule,
    knob: KnobSetter,
    kind: str,
) -> None:
    """Pages that a hint cannot move, since D is full, are mapped again as they were."""
    node = open_node(PROTECTED | Ops.NUMA_BALANCING)
    scan_often(knob)

    def hinted(memory: Mapping) -> int:
        return sum(1 for page in mod.pages(memory.addr, memory.pages) if page.pte & PteFlags.PROTNONE)

    def work() -> Iterator[None]:
        with Mapping.anonymous(**KINDS[kind]) as memory:
            arrived(memory, ordinary_node.nid, node)
            yield
            wait_until(lambda: hinted(memory) == memory.pages, 30, lambda: f"hints: {hinted(memory)} pages")
            take_all(mod, ordinary_node)
            memory.verify()
            found, where = writable(mod, memory), residency(memory)
            assert where.any_on(node.nid), f"all of it was moved: {where}"
            there = [page for page in mod.pages(memory.addr, memory.pages) if page.nid == node.nid]
            assert not any(page.writable for page in there), f"{found} pages are writable; {where}"

    worker = child.start(work, cpus=set(ordinary_node.cpus()))
    worker.step()
    knob("kernel.numa_balancing", 1)
    worker.finish()
    mod.free()
    assert not faults(node), "a hint reached the owner"

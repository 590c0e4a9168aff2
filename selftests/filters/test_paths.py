# SPDX-License-Identifier: GPL-2.0-only
"""FLT-09: what programs do with their memory all day, on P. Each for base pages and for a huge page."""

import mmap
import os
import re
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.knobs import KnobSetter
from fixtures.nodes import PrivateNode
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import PROT_NONE, PROT_READ, PROT_WRITE, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import TestModule
from selftests.filters.kinds import KINDS, OnNode, bound
from selftests.noops.pages import Frozen
from selftests.oracle import Span

READ_WRITE = PROT_READ | PROT_WRITE


def read_mem(pid: int, addr: int, length: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        return os.pread(file.fileno(), length, addr)


def write_mem(pid: int, addr: int, data: bytes) -> int:
    """As strong as ptrace(): what is written to memory that the task may not write is a copy."""
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as file:
        return os.pwrite(file.fileno(), data, addr)


FROM_OUTSIDE = {
    "process_vm": (syscalls.process_vm_readv, syscalls.process_vm_writev),
    "proc-mem": (read_mem, write_mem),
}
pytestmark = pytest.mark.parametrize("kind", ["base", "huge"])


@pytest.fixture
def held(p: PrivateNode, memory_on: OnNode) -> Mapping:
    """Pages on P, which is open."""
    return memory_on(p.nid)


@requirement("FLT-09")
def test_mprotect(held: Mapping, child: ChildFactory, mod: TestModule) -> None:
    stay = Frozen(held)
    for prot, access in ((PROT_NONE, held.verify), (PROT_READ, held.touch)):
        held.protect(prot)
        with pytest.raises(ChildDied) as death:
            child(access)
        assert death.value.signal == signal.SIGSEGV, f"protection {prot}: {death.value}"
        held.protect(READ_WRITE)
        stay.check(f"mprotect {prot} and back")
    held.touch(2)
    held.verify(2)
    assert all(page.writable for page in mod.pages(held.addr, held.pages))


@requirement("FLT-09")
def test_mprotect_of_a_part(held: Mapping) -> None:
    stay = Frozen(held)
    held.protect(PROT_READ, first=3, count=8)
    held.touch(2, first=0, count=3)
    held.touch(2, first=11)
    held.protect(READ_WRITE)
    held.verify(2, first=0, count=3)
    held.verify(1, first=3, count=8)
    assert residency(held).frames == stay.frames, f"{residency(held)}"


@requirement("FLT-09")
def test_mremap(held: Mapping, p: PrivateNode, ordinary_node: Node) -> None:
    """Elsewhere and longer: the frames go along, and what is new is placed by the policy of the range."""
    held.bind(Mode.BIND, [p.nid])
    before, pages = residency(held).frames, held.pages
    held.remap(2 * pages)
    assert residency(held).frames[:pages] == before, f"{residency(held)}"
    held.verify(first=0, count=pages)
    held.touch(2, first=pages)
    assert residency(held).all_on(p.nid), f"{residency(held)}"
    held.remap(pages // 2)
    assert residency(held).frames == before[: pages // 2]


@requirement("FLT-09")
def test_fork_and_copy_on_write(held: Mapping, p: PrivateNode, child: ChildFactory) -> None:
    """Shared until one writes; then each has its own contents, on P by the policy of the range."""
    held.bind(Mode.BIND, [p.nid])
    stay = Frozen(held)

    def work() -> Iterator[tuple[list[int | None], list[int | None]]]:
        held.verify()
        shared = residency(held).frames
        held.touch(2)
        held.verify(2)
        yield shared, residency(held).nodes
        held.verify(2)

    worker = child.start(work)
    shared, nodes = worker.step()
    assert shared == stay.frames, "the child saw other frames before it wrote"
    assert nodes == [p.nid] * held.pages, "the copies are elsewhere"
    stay.check("the child wrote")
    held.touch(3)
    worker.finish()
    held.verify(3)


@requirement("FLT-09")
@pytest.mark.parametrize("way", ["process_vm", "proc-mem"])
def test_another_process_reads_and_writes(p: PrivateNode, child: ChildFactory, kind: str, way: str) -> None:
    def work() -> Iterator[Span]:
        with Mapping.anonymous(**KINDS[kind]) as memory:
            stay = Frozen(bound(memory, p.nid))
            yield Span(memory.addr, memory.pages)
            assert residency(memory).frames == stay.frames, f"{residency(memory)}"
            memory.verify(2)

    worker = child.start(work)
    there = worker.step()
    read, write = FROM_OUTSIDE[way]
    with Mapping.anonymous(there.pages) as like:
        like.touch()
        assert read(worker.pid, there.addr, like.nbytes) == like.read_all()
        like.touch(2)
        write(worker.pid, there.addr, like.read_all())
    worker.finish()


@requirement("FLT-09")
def test_debugger_writes_to_what_the_task_may_not(p: PrivateNode, child: ChildFactory, kind: str) -> None:
    """As for a breakpoint: the mapping is read-only, the debugger's write gets a copy there nevertheless."""

    def work() -> Iterator[Span]:
        with Mapping.anonymous(**KINDS[kind]) as memory:
            memory.bind(Mode.BIND, [p.nid])
            memory.touch()
            memory.protect(PROT_READ)
            yield Span(memory.addr, memory.pages)
            assert memory.page(0)[64:72] == b"debugger"
            memory.verify()
            assert residency(memory).all_on(p.nid), f"{residency(memory)}"

    worker = child.start(work)
    memory = worker.step()
    assert write_mem(worker.pid, memory.addr + 64, b"debugger") == 8
    worker.finish()


@requirement("FLT-09")
def test_core_dump(p: PrivateNode, child: ChildFactory, knob: KnobSetter, kind: str, tmp_path: Path) -> None:
    knob("kernel.core_pattern", f"{tmp_path}/core")
    knob("kernel.core_uses_pid", 0)
    word = b"contents on the private node, page "

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        with Mapping.anonymous(**KINDS[kind]) as memory:
            bound(memory, p.nid)
            assert residency(memory).all_on(p.nid)
            for index in range(memory.pages):
                text = word + f"{index:04}".encode()
                memory.view[index * PAGE_SIZE : index * PAGE_SIZE + len(text)] = text
            os.abort()

    with pytest.raises(ChildDied) as death:
        child(work)
    assert death.value.signal == signal.SIGABRT, f"{death.value}"
    # Not read: it is as large as the whole worker, and would live as long as `death`, in a cycle with it.
    with (tmp_path / "core").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as core:
        found = set(re.findall(re.escape(word) + rb"(\d{4})", core))
    assert len(found) == KINDS[kind]["pages"], f"{len(found)} pages are in the core dump"

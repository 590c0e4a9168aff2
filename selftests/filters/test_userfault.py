# SPDX-License-Identifier: GPL-2.0-only
"""FLT-09, userfaultfd: missing pages, write protection and moving of pages on P."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.residency import residency
from helpers.testmod import TestModule
from helpers.userfault import FAULT_WP, MISSING, WP, Userfault
from selftests.filters.kinds import KINDS, OnNode
from selftests.noops.pages import Frozen

WORD = b"written by read(2)"


@pytest.fixture
def uffd() -> Iterator[Userfault]:
    with Userfault() as one:
        yield one


@contextmanager
def writer(memory: Mapping, index: int) -> Iterator[None]:
    """A thread that writes WORD to the start of a page, by the kernel, so that it waits without the
    interpreter's lock."""
    source, target = os.pipe()
    os.write(target, WORD)
    part = memory.view[index * PAGE_SIZE : index * PAGE_SIZE + len(WORD)]
    thread = Thread(target=os.readv, args=(source, [part]), daemon=True)
    thread.start()
    yield
    thread.join(20)
    assert not thread.is_alive(), "the write is not through"
    os.close(source)
    os.close(target)
    assert memory.page(index).startswith(WORD)


@requirement("FLT-09")
@pytest.mark.parametrize("kind", ["base"])
def test_missing_pages(p: PrivateNode, anon: AnonFactory, uffd: Userfault, kind: str) -> None:
    """New ones are where the policy of the range says."""
    memory, source = anon(**KINDS[kind]), anon(**KINDS[kind])
    memory.bind(Mode.BIND, [p.nid])
    source.touch()
    uffd.register(memory, MISSING)
    with writer(memory, 3):
        assert uffd.fault()[0] == memory.page_addr(3)
        uffd.copy(memory.page_addr(3), source.page_addr(3), PAGE_SIZE)
    uffd.copy(memory.addr, source.addr, 3 * PAGE_SIZE)
    uffd.copy(memory.page_addr(4), source.page_addr(4), (memory.pages - 4) * PAGE_SIZE)
    assert residency(memory).all_on(p.nid), f"{residency(memory)}"
    memory.verify(first=0, count=3)
    memory.verify(first=4)


@requirement("FLT-09")
@pytest.mark.parametrize("kind", ["base", "huge"])
def test_write_protection(p: PrivateNode, memory_on: OnNode, uffd: Userfault, kind: str) -> None:
    memory = memory_on(p.nid)
    stay = Frozen(memory)
    uffd.register(memory, WP)
    uffd.protect(memory.addr, memory.nbytes, True)
    with writer(memory, 3):
        addr, flags = uffd.fault()
        assert (addr // PAGE_SIZE, flags & FAULT_WP) == (memory.page_addr(3) // PAGE_SIZE, FAULT_WP)
        memory.verify()
        uffd.protect(memory.addr, memory.nbytes, False)
    memory.touch()
    stay.check("write protection")


@requirement("FLT-09")
@pytest.mark.parametrize("kind", ["base", "huge"])
def test_moving(
    p: PrivateNode, memory_on: OnNode, anon: AnonFactory, uffd: Userfault, mod: TestModule, kind: str
) -> None:
    source, memory = memory_on(p.nid), anon(**KINDS[kind])
    frames = residency(source).frames
    uffd.register(memory, MISSING)
    uffd.move(memory.addr, source.addr, memory.nbytes)
    assert residency(memory).frames == frames, f"{residency(memory)}"
    assert residency(source).present == 0, f"still there: {residency(source)}"
    memory.verify()
    memory.touch(2)
    memory.verify(2)
    assert residency(memory).frames == frames

# SPDX-License-Identifier: GPL-2.0-only
"""SVC-13: what pins for a moment works on P, whatever is open: other processes' access, O_DIRECT, futexes."""

import os
from threading import Thread

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode
from fixtures.pressure import need_ram_disk
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import MADV_DONTFORK
from helpers.memory import Mapping
from helpers.swap import RAM_DISK, discard
from helpers.testmod import Ops
from helpers.wait import wait_until
from selftests.filters.kinds import KINDS, OPEN, bound
from selftests.noops.pages import Frozen

FUTEX_WAIT, FUTEX_WAKE = 0, 1
by_kind = pytest.mark.parametrize("kind", ["base", "huge"])


@pytest.fixture(params=[None, Ops.NONE, OPEN], ids=["closed", "no-flags", "open"])
def memory(request: pytest.FixtureRequest, open_node: OpenNode, anon: AnonFactory, kind: str) -> Mapping:
    """Pages on P, which is closed, without flags, or open as far as policies; never for long-term pins."""
    node = open_node(OPEN)
    pages = bound(anon(**KINDS[kind]), node.nid)
    if request.param is None:
        node.clear_ops()
    else:
        node.set_ops(request.param)
    return pages


@requirement("SVC-13")
@by_kind
def test_process_vm(memory: Mapping, child: ChildFactory) -> None:
    stay, pid = Frozen(memory), os.getpid()
    memory.advise(MADV_DONTFORK)  # or the write would be to a page that both have, and make a copy
    seen = child(syscalls.process_vm_readv, pid, memory.addr, memory.nbytes)
    assert seen == memory.read_all()
    child(syscalls.process_vm_writev, pid, memory.addr, seen[::-1])
    assert memory.read_all() == seen[::-1]
    memory.touch()
    stay.check("process_vm_writev()")


@requirement("SVC-13")
@by_kind
def test_direct_io(memory: Mapping) -> None:
    """The disk reads from P's pages and writes to them, without the page cache between."""
    need_ram_disk(memory.nbytes)
    stay = Frozen(memory)
    fd = os.open(RAM_DISK, os.O_RDWR | os.O_DIRECT | os.O_EXCL)
    try:
        assert os.pwritev(fd, [memory.view], 0) == memory.nbytes
        memory.touch(2)
        assert os.preadv(fd, [memory.view], 0) == memory.nbytes
    finally:
        os.close(fd)
        discard(RAM_DISK)
    stay.check("O_DIRECT")


@requirement("SVC-13")
@by_kind
def test_futex(memory: Mapping) -> None:
    """A thread waits for a word on P until another wakes it; its key is the page."""
    stay = Frozen(memory)
    word = memory.addr + 2048

    def wake() -> int:
        return syscalls.call("futex", word, FUTEX_WAKE, 1, 0, 0, 0)

    waiter = Thread(target=syscalls.call, args=("futex", word, FUTEX_WAIT, 0, 0, 0, 0))
    waiter.start()
    assert wait_until(wake, 20, "a waiter to wake") == 1
    waiter.join(20)
    assert not waiter.is_alive(), "woken, but still there"
    stay.check("futex")

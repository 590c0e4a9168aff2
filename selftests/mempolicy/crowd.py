# SPDX-License-Identifier: GPL-2.0-only
"""Tasks about a full P: one that takes too much, and those beside it that must not notice.

How far the greedy one gets is counted in memory that outlives it.
"""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from fixtures.nodes import MIB
from fixtures.private import PrivateNode
from fixtures.process import Child, ChildFactory
from helpers import syscalls
from helpers.constants import MADV_POPULATE_READ, MADV_POPULATE_WRITE, PROT_READ, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.residency import residency
from helpers.swap import RAM_DISK

#: Seconds until who takes too much must have come to an end; an OOM kill takes a moment on an emulated CPU.
BOUND = 60
#: More than a greedy task has: whoever looks for the largest task finds the bystander.
LARGE = 96 * MIB // PAGE_SIZE
SMALL = 16
#: Page cache on D that reclaim could have.
CACHED = 1024
ENDS = (signal.SIGKILL, signal.SIGBUS)


def bystander(nid: int | None, pages: int) -> Iterator[None]:
    """A task with memory on a node (None: without a policy) that is still there when it is told to go on."""
    with Mapping.anonymous(pages) as memory:
        if nid is not None:
            memory.bind(Mode.BIND, [nid])
        memory.advise(MADV_POPULATE_WRITE)
        memory.touch()
        where = residency(memory)
        yield
        assert residency(memory).frames == where.frames, "pages of a bystander are gone"
        memory.verify()


@contextmanager
def bystanders(child: ChildFactory, p: PrivateNode) -> Iterator[None]:
    """A large task on ordinary memory and a small one on P, which must both outlive the block."""
    others = [child.start(bystander, None, LARGE), child.start(bystander, p.nid, SMALL)]
    for one in others:
        one.step()
    yield
    dead = [
        name for name, one in zip(("large one on D", "small one on P"), others, strict=True) if not one.alive
    ]
    assert not dead, f"killed in place of the task that took too much: {dead}"
    for one in others:
        one.finish()


@contextmanager
def page_cache_kept(nid: int) -> Iterator[None]:
    """Clean page cache on an ordinary node, in nobody's use: what reclaim takes first. All of it must still
    be there after the block; that it can go is shown by dropping it then."""
    with RAM_DISK.open("rb") if RAM_DISK.exists() else tempfile.TemporaryFile(dir="/var/tmp") as file:
        fd = file.fileno()
        if not RAM_DISK.exists():
            os.ftruncate(fd, CACHED * PAGE_SIZE)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        with Mapping.of_fd(fd, CACHED, shared=True, prot=PROT_READ) as memory:
            memory.advise(MADV_POPULATE_READ)
            assert residency(memory).all_on(nid), f"page cache for node {nid}: {residency(memory)}"
        yield
        with Mapping.of_fd(fd, CACHED, shared=True, prot=PROT_READ) as memory:
            kept = sum(syscalls.mincore(memory.addr, memory.nbytes))
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            stuck = sum(syscalls.mincore(memory.addr, memory.nbytes))
    assert kept == CACHED, f"{CACHED - kept} of {CACHED} pages of page cache on node {nid} were reclaimed"
    assert not stuck, f"the control: {stuck} of {CACHED} pages of page cache could not be dropped"


def take(memory: Mapping, count: Mapping) -> None:
    """Touch page by page, counting."""
    words = count.view.cast("Q")
    for index in range(memory.pages):
        memory.touch(first=index, count=1)
        words[0] = index + 1


def greedy(by: str, nid: int, pages: int, thp: bool, count: Mapping) -> None:
    """Anonymous memory on one node, by either policy."""
    with Mapping.anonymous(pages, thp=thp) as memory:
        if by == "mbind":
            memory.bind(Mode.BIND, [nid])
        else:
            syscalls.set_mempolicy(Mode.BIND, [nid])
        take(memory, count)


def greedy_shared(memory: Mapping, nid: int, count: Mapping) -> str:
    """Shared memory bound to one node; "refused" if mbind() does not take it. Of the parent, so that it stays
    when the child is killed."""
    try:
        memory.bind(Mode.BIND, [nid])
    except OSError:
        return "refused"
    take(memory, count)
    return "all of it"


def end_of(worker: Child) -> str:
    """How a greedy task ended: the signal that killed it, the errno that it got, or what it returned."""
    try:
        death = worker.wait_end(BOUND)
    except OSError as error:
        return f"errno {error.errno}"
    if death is None:
        return str(worker.finish() or "all of it")
    return death.signal.name if death.signal else f"exit status {death.status}"

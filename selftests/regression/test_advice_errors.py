# SPDX-License-Identifier: GPL-2.0-only
"""REG-13: errors of madvise(2) and process_madvise(2), for ordinary memory and for private."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fixtures.nodes import PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import MADV_COLD, MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT, MADV_REMOVE, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.outcome import OK, outcome
from helpers.rawcall import call
from helpers.syscalls import madvise, process_madvise
from selftests.errnos import BAD_POINTER
from selftests.oracle import Span

NOBODY = 65534
PAGES = 4
HOLE = 1
#: Ranges that one call takes at most (UIO_MAXIOV).
MOST = 1024
places = pytest.mark.parametrize("letter", ["D", "E", "P"])


@pytest.fixture
def nodes(ordinary: dict[str, int], p: PrivateNode) -> dict[str, int]:
    return {**ordinary, "P": p.nid}


def two(nid: int) -> Iterator[tuple[Span, Span]]:
    """For a child: memory on the node, whole, and with a hole."""
    with ExitStack() as stack:
        memory, holed = (stack.enter_context(Mapping.anonymous(PAGES)) for _one in range(2))
        for one in (memory, holed):
            one.bind(Mode.BIND, [nid])
            one.touch()
        holed.unmap(HOLE, 1)
        yield Span(memory.addr, PAGES), Span(holed.addr, PAGES)


def of_madvise(nid: int) -> dict[str, tuple[str, str]]:
    """For a child: what has come of each call, and what has to."""
    for memory, holed in two(nid):
        start, size = memory.addr, PAGES * PAGE_SIZE
        cases = {
            "start-unaligned": ((start + 1, size, MADV_COLD), "EINVAL"),
            "length-wraps": ((start, -PAGE_SIZE, MADV_COLD), "EINVAL"),
            "length-0": ((start, 0, MADV_COLD), OK),
            "advice-unknown": ((start, size, 1000), "EINVAL"),
            "advice-negative": ((start, size, -1), "EINVAL"),
            "remove-of-no-file": ((start, size, MADV_REMOVE), "EINVAL"),
            "cold-hole": ((holed.addr, size, MADV_COLD), "ENOMEM"),
            "pageout-hole": ((holed.addr, size, MADV_PAGEOUT), "ENOMEM"),
            "free-hole": ((holed.addr, size, MADV_FREE), "ENOMEM"),
            "dontneed-hole": ((holed.addr, size, MADV_DONTNEED), "ENOMEM"),
            "cold-good": ((start, size, MADV_COLD), OK),
            "pageout-good": ((start, size, MADV_PAGEOUT), OK),
            "free-good": ((start, size, MADV_FREE), OK),
            "dontneed-good": ((start, size, MADV_DONTNEED), OK),
        }
        return {name: (outcome(madvise, *args), result) for name, (args, result) in cases.items()}
    raise AssertionError


@requirement("REG-13")
@core
@places
def test_madvise(nodes: dict[str, int], child: ChildFactory, letter: str) -> None:
    found = child(of_madvise, nodes[letter])
    wrong = {name: pair for name, pair in found.items() if pair[0] != pair[1]}
    assert not wrong, f"on {letter}, (seen, expected): {wrong}"


@requirement("REG-13")
@core
@places
def test_process_madvise(nodes: dict[str, int], child: ChildFactory, letter: str) -> None:
    worker, ended = child.start(two, nodes[letter]), child.start(os.getpid)
    memory, holed = worker.step()
    all_, gap = (memory.addr, PAGES * PAGE_SIZE), (holed.addr + HOLE * PAGE_SIZE, PAGE_SIZE)
    with ExitStack() as stack:
        fd, gone, pipe, other = os.pidfd_open(worker.pid), os.pidfd_open(ended.pid), *os.pipe()
        for one in (fd, gone, pipe, other):
            stack.callback(os.close, one)
        ended.finish()
        cases = {
            "good": ((fd, [all_], MADV_COLD), OK),
            "no-range": ((fd, [], MADV_COLD), OK),
            "fd-negative": ((-1, [all_], MADV_COLD), "EBADF"),
            "fd-of-a-pipe": ((pipe, [all_], MADV_COLD), "EBADF"),
            "task-ended": ((gone, [all_], MADV_COLD), "ESRCH"),
            "flags-unknown": ((fd, [all_], MADV_COLD, 1), "EINVAL"),
            "advice-for-oneself": ((fd, [all_], MADV_FREE), "EINVAL"),
            "advice-unknown": ((fd, [all_], 1000), "EINVAL"),
            "start-unaligned": ((fd, [(all_[0] + 1, PAGE_SIZE)], MADV_COLD), "EINVAL"),
            "too-many-ranges": ((fd, [all_] * (MOST + 1), MADV_COLD), "EINVAL"),
            "hole": ((fd, [gap], MADV_COLD), "ENOMEM"),
        }
        found = {name: outcome(process_madvise, *args) for name, (args, _result) in cases.items()}
        assert found == {name: result for name, (_args, result) in cases.items()}, f"memory on {letter}"
        assert outcome(call, "process_madvise", fd, BAD_POINTER, 1, MADV_COLD, 0) == "EFAULT"
        # EPERM by the manual page; who may not read the task's memory is told EACCES.
        assert child(outcome, process_madvise, fd, [all_], MADV_COLD, uid=NOBODY) in ("EPERM", "EACCES")
    worker.finish()

# SPDX-License-Identifier: GPL-2.0-only
"""What a task under a policy does with a file. For lean children (fixtures/lean.py): before, all that a task
has becomes its own."""

import os
from collections.abc import Callable

from helpers import syscalls
from helpers.constants import MADV_POPULATE_READ, MADV_POPULATE_WRITE, MCL_CURRENT, Mode
from helpers.memory import PAGE_SIZE, Mapping, page_pattern

PAGES = 256
SIZE = PAGES * PAGE_SIZE
CONTENTS = b"".join(page_pattern(index, 1) for index in range(PAGES))
Access = Callable[[int, Mapping], None]


def by_read(fd: int, buffer: Mapping) -> None:
    assert os.preadv(fd, [buffer.view], 0) == SIZE


def by_write(fd: int, buffer: Mapping) -> None:
    buffer.view[:] = CONTENTS
    assert os.pwritev(fd, [buffer.view], 0) == SIZE


def by_mapping(fd: int, buffer: Mapping) -> None:
    with Mapping.of_fd(fd, PAGES, shared=True) as memory:
        memory.advise(MADV_POPULATE_READ)
        buffer.view[:] = memory.view


def by_writing_a_mapping(fd: int, buffer: Mapping) -> None:
    with Mapping.of_fd(fd, PAGES, shared=True) as memory:
        memory.advise(MADV_POPULATE_WRITE)
        buffer.view[:] = memory.view


def by_readahead(fd: int, buffer: Mapping) -> None:
    os.posix_fadvise(fd, 0, SIZE // 2, os.POSIX_FADV_WILLNEED)
    by_read(fd, buffer)


def by_splice(fd: int, _buffer: Mapping) -> None:
    source, sink = os.pipe()
    null = os.open("/dev/null", os.O_WRONLY)
    for offset in range(0, SIZE, 1 << 16):
        assert os.splice(fd, sink, 1 << 16, offset_src=offset) == 1 << 16
        assert os.splice(source, null, 1 << 16) == 1 << 16


ACCESSES = (by_read, by_write, by_mapping, by_writing_a_mapping, by_readahead, by_splice)


def own_everything() -> None:
    """Let the calling task have pages of its own for all its memory, so that it needs no more while it is
    bound to a node that may be full: locking memory breaks what a fork left shared."""
    syscalls.mlockall(MCL_CURRENT)
    syscalls.munlockall()


def under_policy(access: Access, path: str, nid: int) -> bytes:
    """The access by a task that is bound to the node, with no need of memory of its own; what it has read or
    written. Zeroes for by_splice(), which gets nothing to see."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    with Mapping.anonymous(PAGES) as buffer:
        buffer.advise(MADV_POPULATE_WRITE)
        own_everything()
        syscalls.set_mempolicy(Mode.BIND, [nid])
        access(fd, buffer)
        syscalls.set_mempolicy(Mode.DEFAULT)
        return bytes(buffer.view)

# SPDX-License-Identifier: GPL-2.0-only
"""ISO-21: page cache and shared memory, while the node of the CPU is full. The block device is a file as any
other: what was read from it or written to it is in the page cache, where a mapping then finds it."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import MADV_POPULATE_READ
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.swap import RAM_DISK, discard
from helpers.wait import wait_until
from selftests.isolation.world import assert_spilled

PAGES = 1024
SIZE = PAGES * PAGE_SIZE
READ_AHEAD = 64 << 10  # at once; the kernel's default limit is twice that


def by_read(fd: int) -> None:
    for offset in range(0, SIZE, 1 << 20):
        os.pread(fd, 1 << 20, offset)


def by_write(fd: int) -> None:
    for offset in range(0, SIZE, 1 << 20):
        os.pwrite(fd, b"pnode" * (1 << 18), offset)


def by_mapping(fd: int) -> None:
    with Mapping.of_fd(fd, PAGES, shared=True) as memory:
        memory.touch()


def by_readahead(fd: int) -> None:
    for offset in range(0, SIZE, READ_AHEAD):
        os.posix_fadvise(fd, offset, READ_AHEAD, os.POSIX_FADV_WILLNEED)


def by_splice(fd: int) -> None:
    source, sink = os.pipe()
    with ExitStack() as stack:
        stack.callback(os.close, source)
        stack.callback(os.close, sink)
        null = os.open("/dev/null", os.O_WRONLY)
        stack.callback(os.close, null)
        for offset in range(0, SIZE, 1 << 16):
            os.splice(fd, sink, 1 << 16, offset_src=offset)
            os.splice(source, null, 1 << 16)


@pytest.fixture
def cached_file() -> Iterator[int]:
    """A descriptor of something with a page cache, nothing of which is cached: the RAM disk, else a file."""
    with ExitStack() as stack:
        if RAM_DISK.exists():
            fd = os.open(RAM_DISK, os.O_RDWR | os.O_CLOEXEC)
            stack.callback(discard, RAM_DISK)
        else:
            fd = stack.enter_context(tempfile.TemporaryFile(dir="/var/tmp")).fileno()
            os.ftruncate(fd, SIZE)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        yield fd
        if RAM_DISK.exists():
            os.close(fd)


def cached(memory: Mapping) -> int:
    """Pages of a file mapping that are in the page cache."""
    return sum(syscalls.mincore(memory.addr, memory.nbytes))


@requirement("ISO-21")
@pytest.mark.parametrize(
    "fill", [by_read, by_write, by_mapping, by_readahead, by_splice], ids=lambda fill: fill.__name__[3:]
)
def test_page_cache(
    private: PrivateNode,
    cached_file: int,
    ordinary_nodes: list[Node],
    short_of_memory: Node,  # after the file, whose old pages are dropped
    fill: Callable[[int], None],
) -> None:
    with Mapping.of_fd(cached_file, PAGES, shared=True) as memory:
        assert not cached(memory), "something is cached already"
        fill(cached_file)
        # Read-ahead goes on after the call; what reclaim took again in the meantime may be missing.
        wait_until(lambda: cached(memory) > PAGES // 2, 5, lambda: f"page cache, is {cached(memory)} pages")
        memory.advise(MADV_POPULATE_READ)
        assert_spilled(residency(memory), private, ordinary_nodes, "page cache")


@contextmanager
def memfd() -> Iterator[Mapping]:
    fd = os.memfd_create("pnode")
    try:
        os.ftruncate(fd, SIZE)
        with Mapping.of_fd(fd, PAGES, shared=True) as memory:
            yield memory
    finally:
        os.close(fd)


@contextmanager
def tmpfs() -> Iterator[Mapping]:
    with tempfile.TemporaryDirectory() as name:
        syscalls.mount("pnode", name, "tmpfs")
        try:
            with open(Path(name) / "file", "w+b", buffering=0) as file:
                for _ in range(0, SIZE, 1 << 20):
                    file.write(bytes(1 << 20))
                with Mapping.of_fd(file.fileno(), PAGES, shared=True) as memory:
                    yield memory
        finally:
            syscalls.umount(name)


@contextmanager
def sysv() -> Iterator[Mapping]:
    segment = syscalls.shmget(syscalls.IPC_PRIVATE, SIZE, syscalls.IPC_CREAT | 0o600)
    try:
        address = syscalls.shmat(segment)
    finally:
        syscalls.shm_remove(segment)
    memory = Mapping(address, PAGES)
    try:
        yield memory
    finally:
        memory.forget()
        syscalls.shmdt(address)


@requirement("ISO-21")
@pytest.mark.core
@pytest.mark.parametrize("make", [memfd, tmpfs, sysv], ids=lambda make: make.__name__)
@pytest.mark.usefixtures("short_of_memory")
def test_shared_memory(
    private: PrivateNode, ordinary_nodes: list[Node], make: Callable[[], AbstractContextManager[Mapping]]
) -> None:
    with make() as memory:
        memory.touch()
        found = residency(memory)
        assert found.present == PAGES, f"{found}"
        assert_spilled(found, private, ordinary_nodes, "shared memory")

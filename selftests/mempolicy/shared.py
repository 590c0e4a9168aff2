# SPDX-License-Identifier: GPL-2.0-only
"""Memory that others can map, too: shared anonymous memory, memfds, files of a tmpfs."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from helpers import syscalls
from helpers.memory import PAGE_SIZE, Mapping

#: Makes so many pages of one kind, mapped shared; nothing is touched.
Maker = Callable[[int], AbstractContextManager[Mapping]]


@contextmanager
def anonymous(pages: int) -> Iterator[Mapping]:
    with Mapping.anonymous(pages, shared=True) as memory:
        yield memory


@contextmanager
def memfd(pages: int) -> Iterator[Mapping]:
    fd = os.memfd_create("pnode")
    try:
        os.ftruncate(fd, pages * PAGE_SIZE)
        with Mapping.of_fd(fd, pages, shared=True) as memory:
            yield memory
    finally:
        os.close(fd)


@contextmanager
def tmpfs_file(data: str | int = 0) -> Iterator[int]:
    """Descriptor of an empty file on a tmpfs of its own, mounted with these options."""
    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory())
        syscalls.mount("pnode", place, "tmpfs", 0, data)
        stack.callback(syscalls.umount, place)
        fd = os.open(Path(place) / "file", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        stack.callback(os.close, fd)
        yield fd


@contextmanager
def tmpfs(pages: int) -> Iterator[Mapping]:
    with tmpfs_file() as fd:
        os.ftruncate(fd, pages * PAGE_SIZE)
        with Mapping.of_fd(fd, pages, shared=True) as memory:
            yield memory


KINDS: dict[str, Maker] = {"anonymous": anonymous, "memfd": memfd, "tmpfs": tmpfs}

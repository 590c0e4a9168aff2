# SPDX-License-Identifier: GPL-2.0-only
"""MPL-14: files that a task with a policy on P reads, writes and maps. The RAM disk is a file with page cache
that can be dropped; a ramfs is nothing but page cache."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest

from fixtures.nodes import OpenNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import MADV_POPULATE_READ, Mode
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import Residency, residency
from helpers.swap import RAM_DISK, discard
from helpers.testmod import OnlineType
from selftests.mempolicy.accesses import ACCESSES, CONTENTS, PAGES, SIZE, Access, by_splice, under_policy
from selftests.mempolicy.crowd import BOUND
from selftests.mempolicy.placing import OPEN

accesses = pytest.mark.parametrize("access", ACCESSES, ids=lambda one: one.__name__[3:].replace("_", "-"))


@pytest.fixture(params=["disk", "ramfs"])
def file(request: pytest.FixtureRequest) -> Iterator[int]:
    """A descriptor of a file with CONTENTS; of the disk none is cached, of the ramfs a half exists."""
    with ExitStack() as stack:
        if request.param == "ramfs":
            place = stack.enter_context(tempfile.TemporaryDirectory())
            syscalls.mount("pnode", place, "ramfs")
            stack.callback(syscalls.umount, place)
            fd = os.open(Path(place) / "file", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        elif RAM_DISK.exists():
            fd = os.open(RAM_DISK, os.O_RDWR | os.O_CLOEXEC)
            stack.callback(discard, RAM_DISK)
        else:
            fd = os.dup(stack.enter_context(tempfile.TemporaryFile(dir="/var/tmp")).fileno())
        stack.callback(os.close, fd)
        os.pwrite(fd, CONTENTS, 0)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        if request.param == "ramfs":
            os.ftruncate(fd, SIZE // 2)
            os.ftruncate(fd, SIZE)
        yield fd


def path_of(fd: int) -> str:
    """Of a file that we have open, for a child that has not got it from us."""
    return f"/proc/{os.getpid()}/fd/{fd}"


def cache(fd: int) -> Residency:
    """Where the page cache of the file is."""
    with Mapping.of_fd(fd, PAGES, shared=True) as memory:
        memory.advise(MADV_POPULATE_READ)
        return residency(memory)


def expected(fd: int) -> bytes:
    data = os.pread(fd, SIZE, 0)
    assert data[: SIZE // 2] == CONTENTS[: SIZE // 2], "the file lost its contents"
    return data


#: Page cache of the disk and of a ramfs cannot move: only a P in the kernel zone could have it.
ZONES = {"movable": OnlineType.MOVABLE, "kernel": OnlineType.KERNEL}
by_zone = pytest.mark.parametrize("zone", ZONES)
by_state = pytest.mark.parametrize(
    ("zone", "full"),
    [("movable", False), ("movable", True), ("kernel", True)],
    ids=["room", "full", "full-kernel"],
)
by_mapping = pytest.mark.parametrize("shared", [False, True], ids=["private", "shared"])
by_fault = pytest.mark.parametrize("prefault", [False, True], ids=["touched", "populated"])


@requirement("MPL-14")
@accesses
@by_state
def test_task_with_a_policy_progresses(
    open_node: OpenNode, child: ChildFactory, file: int, access: Access, zone: str, full: bool
) -> None:
    p = open_node(OPEN, online=ZONES[zone])
    with p.fill() if full else nullcontext():
        read = child(under_policy, access, path_of(file), p.nid, timeout=BOUND, lean=True)
    data = expected(file)
    assert read == (bytes(SIZE) if access is by_splice else data), "read wrong contents"
    assert data != bytes(SIZE)


@requirement("MPL-14a")
@accesses
@by_zone
def test_policy_of_a_task_places_no_page_cache(
    open_node: OpenNode, ordinary_nodes: list[Node], child: ChildFactory, file: int, access: Access, zone: str
) -> None:
    p = open_node(OPEN, online=ZONES[zone])
    child(under_policy, access, path_of(file), p.nid, timeout=BOUND, lean=True)
    where = cache(file)
    assert set(where.counts) <= {node.nid for node in ordinary_nodes}, f"read by a task bound to {p}: {where}"


def mapped_under_policy(fd: int, nid: int, shared: bool, prefault: bool) -> tuple[bytes, Residency]:
    """Contents of a file mapping that is bound to the node, and where its pages are."""
    with Mapping.of_fd(fd, PAGES, shared=shared) as memory:
        memory.bind(Mode.BIND, [nid])
        if prefault:
            memory.advise(MADV_POPULATE_READ)
        return memory.read_all(), residency(memory)


@requirement("MPL-14")
@by_mapping
@by_fault
@by_state
def test_mapping_with_a_policy_progresses(
    open_node: OpenNode, child: ChildFactory, file: int, shared: bool, prefault: bool, zone: str, full: bool
) -> None:
    p = open_node(OPEN, online=ZONES[zone])
    with p.fill() if full else nullcontext():
        data, where = child(mapped_under_policy, file, p.nid, shared, prefault, timeout=BOUND)
    assert data == expected(file)
    assert where.absent == 0, f"{where}"


@requirement("MPL-14a")
@by_mapping
@by_fault
@by_zone
def test_policy_of_a_mapping_places_no_page_cache(
    open_node: OpenNode, ordinary_nodes: list[Node], child: ChildFactory, file: int, shared: bool,
    prefault: bool, zone: str,
) -> None:  # fmt: skip
    p = open_node(OPEN, online=ZONES[zone])
    _data, where = child(mapped_under_policy, file, p.nid, shared, prefault, timeout=BOUND)
    assert set(where.counts) <= {node.nid for node in ordinary_nodes}, f"mapping bound to {p}: {where}"


@requirement("MPL-14")
@by_zone
def test_private_copies_of_file_pages_follow_the_policy(open_node: OpenNode, file: int, zone: str) -> None:
    """Written in a private mapping they are anonymous memory, which P may have; the file stays as it was."""
    p, before = open_node(OPEN, online=ZONES[zone]), expected(file)
    with Mapping.of_fd(file, PAGES, shared=False) as memory:
        memory.bind(Mode.BIND, [p.nid])
        memory.touch(2, count=PAGES // 2)
        memory.read_fault()
        memory.verify(2, count=PAGES // 2)
        where = residency(memory)
    assert where.absent == 0, f"{where}"
    assert set(where.nodes[: PAGES // 2]) == {p.nid}, f"copies: {where}"
    assert os.pread(file, SIZE, 0) == before

# SPDX-License-Identifier: GPL-2.0-only
"""SEC-02: contents do not outlive their owner. Pages are filled by one user and read by the next."""

import os
from collections.abc import Callable, Iterator

import pytest

from fixtures.nodes import PrivateNode, PrivateRange
from fixtures.process import Child, ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.residency import Residency, residency_of
from helpers.testmod import OnlineType, Ops, TestModule

OPEN = Ops.MIGRATION | Ops.MEMPOLICY
NOBODY, SOMEBODY = 65534, 65533
FEW = 64
PATHS = ("policy", "device")
HAND_OVERS = {f"{first}_then_{second}": (first, second) for first in PATHS for second in PATHS}


def mapped(path: str, nid: int, fd: int, pages: int, thp: bool) -> Mapping:
    """Memory of the node by the policy path or the device path; nothing is touched."""
    if path == "device":
        return Mapping.of_fd(fd, pages, shared=True)
    memory = Mapping.anonymous(pages, thp=thp)
    memory.bind(Mode.BIND, [nid])
    return memory


def writer(path: str, nid: int, fd: int, pages: int, thp: bool) -> Iterator[int]:
    """For a child: its secret all over the pages."""
    with mapped(path, nid, fd, pages, thp) as memory:
        memory.touch(seed=0x5EC2E7, full=True)
        yield memory.addr


def reader(path: str, nid: int, fd: int, pages: int, thp: bool) -> Iterator[tuple[int, int | None]]:
    """For a child: where the memory is, and the first page that is not all zeroes."""
    with mapped(path, nid, fd, pages, thp) as memory:
        # A read of untouched anonymous memory is the zero page: one byte is written, the rest is the page's.
        for index in range(pages):
            memory.view[index * PAGE_SIZE] = 0
        yield memory.addr, memory.first_nonzero()


class HandOver:
    """Two users of a node, one after the other."""

    def __init__(self, child: ChildFactory, mod: TestModule, node: PrivateNode, pages: int) -> None:
        self.child, self.mod, self.node, self.pages = child, mod, node, pages
        # On one CPU: what was freed last is on its list and is taken first.
        self.cpus = {min(os.sched_getaffinity(0))}
        mod.device(node.nid, pages * PAGE_SIZE)

    def _start(self, body: Callable[..., object], path: str, thp: bool, uid: int) -> Child:
        options = (path, self.node.nid, self.mod.fileno(), self.pages, thp)
        return self.child.start(body, *options, uid=uid, cpus=self.cpus)

    def write(self, path: str, thp: bool = False) -> set[int | None]:
        """The frames that the first user leaves his secret in, and has given back."""
        worker = self._start(writer, path, thp, NOBODY)
        where = residency_of(worker.step(), self.pages, worker.pid)
        assert where.all_on(self.node.nid), f"{path}: {where}"
        worker.finish()
        return set(where.frames)

    def read(self, path: str, thp: bool = False) -> tuple[Residency, int | None]:
        """What the second user has and sees."""
        worker = self._start(reader, path, thp, SOMEBODY)
        address, dirty = worker.step()
        where = residency_of(address, self.pages, worker.pid)
        assert where.all_on(self.node.nid), f"{path}: {where}"
        worker.finish()
        return where, dirty


@requirement("SEC-02")
@core
@pytest.mark.parametrize("paths", HAND_OVERS.values(), ids=HAND_OVERS)
@pytest.mark.parametrize("zone", [OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])
def test_the_next_user_reads_zeroes(
    unplugged: PrivateRange, mod: TestModule, child: ChildFactory, paths: tuple[str, str], zone: OnlineType
) -> None:
    node = unplugged.plug(ops=OPEN, online=zone)
    users = HandOver(child, mod, node, FEW)
    left = users.write(paths[0])
    where, dirty = users.read(paths[1])
    assert dirty is None, f"page {dirty} has contents of another user: {where}"
    assert left & set(where.frames), "the control: no frame was used twice"


@requirement("SEC-02")
def test_huge_pages_too(unplugged: PrivateRange, mod: TestModule, child: ChildFactory) -> None:
    node = unplugged.plug(ops=OPEN)
    users = HandOver(child, mod, node, node.managed_pages() * 3 // 4 // 512 * 512)
    left = users.write("policy", thp=True)
    where, dirty = users.read("policy", thp=True)
    assert dirty is None, f"page {dirty} has contents of another user"
    assert left & set(where.frames), "the control: no frame was used twice"


@requirement("SEC-02")
@pytest.mark.parametrize("paths", HAND_OVERS.values(), ids=HAND_OVERS)
def test_over_an_unplug_and_a_replug(
    unplugged: PrivateRange,
    mod: TestModule,
    second_mod: TestModule,
    child: ChildFactory,
    paths: tuple[str, str],
) -> None:
    node = unplugged.plug(ops=OPEN)
    # More than half of the node both times: some frames are the same whatever the order.
    pages = node.managed_pages() * 5 // 8
    left = HandOver(child, mod, node, pages).write(paths[0])
    assert node.unplug() == 0
    again = unplugged.plug(ops=OPEN)
    where, dirty = HandOver(child, second_mod, again, pages).read(paths[1])
    assert dirty is None, f"page {dirty} has contents of before the unplug"
    assert left & set(where.frames), "the control: no frame was used twice"

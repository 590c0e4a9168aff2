# SPDX-License-Identifier: GPL-2.0-only
"""DEV-03: a fork shares the mapping, and the pages go back when the last one is gone, not before."""

import os
import signal
from collections.abc import Iterator

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode, stable_free_pages
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers.memory import PAGE_SIZE, Mapping
from helpers.residency import residency
from helpers.testmod import Callback, TestModule
from helpers.wait import wait_until
from selftests.device.conftest import DeviceFactory

PAGES = 32
NOBODY_LEFT = 5.0  # seconds


def returned(node: PrivateNode) -> int:
    """Folios that free_folio has seen."""
    return node.counters().folios[Callback.FREE_FOLIO]


def wait_returned(node: PrivateNode, pages: int) -> None:
    wait_until(
        lambda: returned(node) >= pages, NOBODY_LEFT, lambda: f"{pages} pages back, {returned(node)} are"
    )
    assert returned(node) == pages


@pytest.mark.core
@requirement("DEV-03")
def test_a_fork_shares_the_pages(node: PrivateNode, device: DeviceFactory, child: ChildFactory) -> None:
    memory = device(node, PAGES)
    memory.touch(seed=1, count=PAGES // 2)

    def writer() -> Iterator[None]:
        memory.verify(seed=1, count=PAGES // 2)
        memory.touch(seed=2)
        yield

    worker = child.start(writer)
    worker.step()
    memory.verify(seed=2)
    mine, its = residency(memory), residency(memory, worker.pid)
    assert mine.all_on(node.nid), mine
    assert its.frames == mine.frames, f"the child has others: {its}"


@requirement("DEV-03")
def test_a_private_mapping_is_copied_on_write_after_a_fork(
    node: PrivateNode, device: DeviceFactory, child: ChildFactory
) -> None:
    memory = device(node, PAGES, shared=False)
    memory.touch(seed=1, count=PAGES // 2)

    def writer() -> None:
        memory.touch(seed=2)

    child(writer)
    memory.verify(seed=1, count=PAGES // 2)
    assert memory.first_nonzero(first=PAGES // 2) is None


@pytest.mark.core
@requirement("DEV-03")
def test_munmap_gives_the_pages_back(counting_node: PrivateNode, device: DeviceFactory) -> None:
    before = stable_free_pages(counting_node)
    memory = device(counting_node, PAGES)
    memory.touch()
    assert residency(memory).all_on(counting_node.nid), residency(memory)
    assert returned(counting_node) == 0
    memory.close()
    assert returned(counting_node) == PAGES
    assert stable_free_pages(counting_node) == before


@requirement("DEV-03")
@pytest.mark.parametrize("end", ["return", "exec", "kill"])
def test_the_end_of_the_process_gives_them_back(
    counting_node: PrivateNode, mod: TestModule, child: ChildFactory, end: str
) -> None:
    before = stable_free_pages(counting_node)
    mod.device(counting_node.nid, PAGES * PAGE_SIZE)

    def user() -> Iterator[int]:
        memory = Mapping.of_fd(mod.fileno(), PAGES, shared=True)
        memory.touch()
        yield residency(memory).counts[counting_node.nid]
        if end == "exec":
            os.execv("/proc/self/exe", ["python", "-c", ""])

    worker = child.start(user)
    assert worker.step() == PAGES
    assert returned(counting_node) == 0
    if end == "kill":
        worker.send_signal(signal.SIGKILL)
    worker.wait_end()
    wait_returned(counting_node, PAGES)
    assert stable_free_pages(counting_node) == before


@requirement("DEV-03")
def test_not_before_the_last_mapping_is_gone(
    counting_node: PrivateNode, device: DeviceFactory, device_memory: AnonFactory, child: ChildFactory
) -> None:
    memory = device(counting_node, PAGES)
    memory.touch(full=True)
    second = device_memory(PAGES)

    def user() -> Iterator[None]:
        second.close()
        yield
        memory.verify(full=True)

    worker = child.start(user)
    worker.step()
    second.close()
    memory.close()
    assert returned(counting_node) == 0, "pages went back under a mapping of the child"
    worker.finish()
    wait_returned(counting_node, PAGES)

# SPDX-License-Identifier: GPL-2.0-only
"""DEV-01: open, map, touch. Every page is on the node, zeroed at first, and keeps what is written."""

import os
from collections.abc import Callable

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode, stable_free_pages
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.settling import lost_pages
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import PageFlags, TestModule
from selftests.device.conftest import DeviceFactory
from selftests.hotplug.standing import ZONES

PAGES = 32
POLICIES = [Mode.DEFAULT, Mode.LOCAL, Mode.BIND, Mode.PREFERRED, Mode.PREFERRED_MANY, Mode.INTERLEAVE]


@pytest.mark.core
@requirement("DEV-01")
@pytest.mark.local
def test_every_touched_page_is_on_the_node(
    node: PrivateNode, ordinary_node: Node, device: DeviceFactory, anon: AnonFactory
) -> None:
    memory, plain = device(node, PAGES), anon(PAGES)
    assert residency(memory).absent == PAGES, "there before it is touched"
    memory.touch()
    plain.touch()
    assert residency(memory).all_on(node.nid), f"{node}: {residency(memory)}"
    assert residency(plain).all_on(ordinary_node.nid), f"plain memory: {residency(plain)}"


@requirement("DEV-01")
def test_the_module_sees_the_same_pages(node: PrivateNode, device: DeviceFactory, mod: TestModule) -> None:
    memory = device(node, PAGES)
    memory.touch()
    reports = mod.pages(memory.addr, memory.pages)
    zone = node.state().zone(ZONES[node.online])
    assert zone is not None
    assert [page.pfn for page in reports] == residency(memory).frames
    assert {page.nid for page in reports} == {node.nid}
    assert {page.zone for page in reports} == {zone.index}, f"not in zone {zone.name}"
    assert all(PageFlags.PRIVATE_NODE in page.flags and page.writable for page in reports), reports


@requirement("DEV-01")
def test_the_node_gives_just_these_pages(node: PrivateNode, device: DeviceFactory) -> None:
    before = stable_free_pages(node)
    assert before == node.managed_pages(), f"not empty at first: {lost_pages(node)}"
    memory = device(node, PAGES)
    assert stable_free_pages(node) == before, "mapping alone takes nothing"
    memory.touch(count=PAGES // 2)
    assert stable_free_pages(node) == before - PAGES // 2
    memory.touch()
    assert stable_free_pages(node) == before - PAGES


@pytest.mark.core
@requirement("DEV-01")
def test_written_data_reads_back(node: PrivateNode, device: DeviceFactory) -> None:
    memory = device(node, PAGES)
    assert memory.zeroed()
    memory.touch(seed=7, full=True)
    memory.verify(seed=7, full=True)
    memory.touch(seed=8, first=3, count=5, full=True)
    memory.verify(seed=8, first=3, count=5, full=True)
    memory.verify(seed=7, first=8, full=True)


@requirement("DEV-01")
def test_a_read_gets_a_zeroed_page_of_the_node(node: PrivateNode, device: DeviceFactory) -> None:
    memory = device(node, PAGES)
    memory.read_fault()
    read = residency(memory)
    assert read.all_on(node.nid), f"after reading: {read}"
    assert memory.zeroed()
    memory.touch()
    assert residency(memory).frames == read.frames, "a write changed the page"


def reuse(fd: int) -> tuple[int, int | None]:
    """Fill pages, give them back, take as many: how many are the same, and the first not all zeroes."""
    with Mapping.of_fd(fd, PAGES, shared=True) as memory:
        memory.touch(full=True)
        used = set(residency(memory).frames)
    with Mapping.of_fd(fd, PAGES, shared=True) as again:
        again.read_fault()
        return len(used.intersection(residency(again).frames)), again.first_nonzero()


@requirement("DEV-01")
def test_used_pages_come_back_zeroed(node: PrivateNode, mod: TestModule, child: ChildFactory) -> None:
    mod.device(node.nid, PAGES * PAGE_SIZE)
    # On one CPU: what was freed last is on its list and is taken first.
    same, dirty = child(reuse, mod.fileno(), cpus={min(os.sched_getaffinity(0))})
    assert same > 0, "no page was used twice"
    assert dirty is None, f"page {dirty} has old contents"


@requirement("DEV-01")
@pytest.mark.parametrize("mode", POLICIES, ids=lambda mode: mode.name.lower())
def test_whatever_the_tasks_policy(
    closed_node: PrivateNode,
    second_ordinary_node: Node,
    device: DeviceFactory,
    anon: AnonFactory,
    policy: Callable[..., None],
    mode: Mode,
) -> None:
    memory, plain = device(closed_node, PAGES), anon(PAGES)
    policy(mode, () if mode in (Mode.DEFAULT, Mode.LOCAL) else [second_ordinary_node.nid])
    memory.touch()
    plain.touch()
    assert residency(memory).all_on(closed_node.nid), f"{mode!r}: {residency(memory)}"
    followed = mode in (Mode.DEFAULT, Mode.LOCAL) or residency(plain).all_on(second_ordinary_node.nid)
    assert followed, f"the control, plain memory under {mode!r}: {residency(plain)}"
    assert not residency(plain).any_on(closed_node.nid), residency(plain)

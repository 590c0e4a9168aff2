# SPDX-License-Identifier: GPL-2.0-only
"""DEV-04: a full node. Who touches a new page gets SIGBUS; nobody is killed for memory or else harmed."""

import os
import signal
from collections.abc import Iterator

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode, unchanged_free_pages
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from helpers import kmsg
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import TestModule
from selftests.device.conftest import DeviceFactory, reserve

PAGES = 64


@requirement("DEV-04")
def test_the_toucher_gets_sigbus(
    node: PrivateNode,
    ordinary_node: Node,
    device: DeviceFactory,
    anon: AnonFactory,
    child: ChildFactory,
    mod: TestModule,
) -> None:
    memory, plain = device(node, PAGES), anon(PAGES)
    with node.fill(reserves=True), kmsg.KernelLog.tail() as log:
        with pytest.raises(ChildDied) as death:
            child(memory.touch, timeout=30)
        plain.touch()
        kills = kmsg.splats(log.read(), asked=("OOM",))
    assert death.value.signal is signal.SIGBUS
    assert not kills, f"somebody was killed for memory: {kills}"
    assert mod.totals().mine.device_pages == 0, "the node was not full"
    assert residency(plain).all_on(ordinary_node.nid), f"plain memory: {residency(plain)}"


@requirement("DEV-04")
def test_a_read_gets_sigbus_too(
    node: PrivateNode, device: DeviceFactory, child: ChildFactory, mod: TestModule
) -> None:
    memory = device(node, PAGES)
    with node.fill(reserves=True):
        with pytest.raises(ChildDied) as death:
            child(memory.read_fault, timeout=30)
        assert death.value.signal is signal.SIGBUS
    child(memory.read_fault)
    assert mod.totals().mine.device_pages == PAGES, "the control: with room it reads"


@requirement("DEV-04")
def test_it_gets_what_is_left_and_never_another_nodes_page(
    node: PrivateNode, device: DeviceFactory, child: ChildFactory, mod: TestModule
) -> None:
    left = reserve(node) + PAGES
    memory = device(node, 2 * left)
    with node.fill(leave=left, reserves=True):
        with pytest.raises(ChildDied) as death:
            child(memory.touch, timeout=30)
        assert death.value.signal is signal.SIGBUS
        got = mod.totals().mine.device_pages
        assert 0 < got <= left, f"{got} of {left} pages that were left"
        # The pages are the device's: what the child got is there for this process as well.
        memory.verify(count=got)
        where = residency(memory)
    assert where.counts == {node.nid: got}, where


@requirement("DEV-04")
def test_the_kernel_writes_for_nobody(node: PrivateNode, device: DeviceFactory) -> None:
    memory = device(node, PAGES)
    with open("/dev/zero", "rb", buffering=0) as zero:
        with node.fill(reserves=True):
            assert outcome(os.readv, zero.fileno(), [memory.view]) == "EFAULT"
        assert outcome(os.readv, zero.fileno(), [memory.view]) == OK, "the control: with room"
    assert residency(memory).all_on(node.nid), residency(memory)


@requirement("DEV-04")
def test_others_are_unharmed(
    node: PrivateNode, ordinary_node: Node, device: DeviceFactory, anon: AnonFactory, child: ChildFactory
) -> None:
    memory, plain = device(node, PAGES), anon(PAGES)
    plain.touch(full=True)
    memory.touch(full=True, count=PAGES // 2)

    def bystander() -> Iterator[None]:
        yield
        memory.verify(full=True, count=PAGES // 2)
        plain.verify(full=True)

    other = child.start(bystander)
    other.step()
    before = residency(memory)
    with node.fill(reserves=True), pytest.raises(ChildDied):
        child(lambda: memory.touch(first=PAGES // 2), timeout=30)
    other.finish()
    assert residency(memory).frames == before.frames, residency(memory)
    assert residency(plain).all_on(ordinary_node.nid), residency(plain)


@requirement("DEV-04")
def test_usable_again_once_there_is_room(
    node: PrivateNode, device: DeviceFactory, child: ChildFactory, mod: TestModule
) -> None:
    memory = device(node, PAGES)
    with node.fill(reserves=True), pytest.raises(ChildDied):
        child(memory.touch, timeout=30)
    memory.touch(full=True)
    assert residency(memory).all_on(node.nid), residency(memory)
    memory.verify(full=True)
    assert mod.totals().mine.device_pages == PAGES


@requirement("DEV-04")
def test_the_dead_leave_nothing(node: PrivateNode, mod: TestModule, child: ChildFactory) -> None:
    def hoarder() -> None:
        mod.device(node.nid, 2 * left * PAGE_SIZE)
        Mapping.of_fd(mod.fileno(), 2 * left, shared=True).touch()

    left = reserve(node) + PAGES
    with node.fill(leave=left, reserves=True), unchanged_free_pages(node):
        with pytest.raises(ChildDied) as death:
            child(hoarder, timeout=30)
        assert death.value.signal is signal.SIGBUS

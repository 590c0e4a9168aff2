# SPDX-License-Identifier: GPL-2.0-only
"""DEV-02: a private mapping reads the device's page; what it writes goes to a copy in ordinary memory."""

from collections.abc import Callable

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode, unchanged_free_pages
from fixtures.requirement import requirement
from helpers.constants import Mode
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import TestModule
from selftests.device.conftest import DeviceFactory

PAGES = 16
READ_FIRST = pytest.mark.parametrize("read_first", [True, False], ids=["after_reading", "at_once"])


@pytest.mark.core
@requirement("DEV-02")
def test_reads_share_the_devices_page(
    node: PrivateNode, device: DeviceFactory, device_memory: AnonFactory, mod: TestModule
) -> None:
    shared = device(node, PAGES)
    shared.touch(seed=1)
    private = device_memory(PAGES, shared=False)
    private.verify(seed=1)
    assert residency(private).frames == residency(shared).frames
    assert not any(page.writable for page in mod.pages(private.addr, PAGES))
    shared.touch(seed=2)
    private.verify(seed=2)


@pytest.mark.core
@requirement("DEV-02")
@pytest.mark.local
@READ_FIRST
def test_the_copy_is_on_an_ordinary_node(
    node: PrivateNode,
    ordinary_node: Node,
    device: DeviceFactory,
    device_memory: AnonFactory,
    read_first: bool,
) -> None:
    shared = device(node, PAGES)
    shared.touch(seed=1)
    private = device_memory(PAGES, shared=False)
    if read_first:
        private.verify(seed=1)
    with unchanged_free_pages(node):
        private.touch(seed=2)
        assert residency(private).all_on(ordinary_node.nid), residency(private)
    private.verify(seed=2)
    assert residency(shared).all_on(node.nid), residency(shared)
    shared.verify(seed=1)


@requirement("DEV-02")
@READ_FIRST
def test_a_copy_made_by_one_write_keeps_the_rest_of_the_page(
    node: PrivateNode, device: DeviceFactory, device_memory: AnonFactory, read_first: bool
) -> None:
    shared = device(node, PAGES)
    shared.touch(seed=1, full=True)
    private = device_memory(PAGES, shared=False)
    if read_first:
        private.read_fault()
    original = shared.read_all()
    private.view[100] ^= 0xFF
    assert private.read_all()[:100] == original[:100]
    assert private.read_all()[101:] == original[101:]
    assert shared.read_all() == original


@requirement("DEV-02")
@READ_FIRST
@pytest.mark.parametrize("how", ["task", "mapping"])
def test_the_copy_follows_the_policy(
    closed_node: PrivateNode,
    second_ordinary_node: Node,
    device: DeviceFactory,
    policy: Callable[..., None],
    read_first: bool,
    how: str,
) -> None:
    private = device(closed_node, PAGES, shared=False)
    if how == "task":
        policy(Mode.BIND, [second_ordinary_node.nid])
    else:
        private.bind(Mode.BIND, [second_ordinary_node.nid])
    if read_first:
        private.read_fault()
        assert residency(private).all_on(closed_node.nid), f"read: {residency(private)}"
    private.touch()
    assert residency(private).all_on(second_ordinary_node.nid), f"written: {residency(private)}"


@requirement("DEV-02")
def test_every_private_mapping_has_its_own_copy(
    node: PrivateNode, device: DeviceFactory, device_memory: AnonFactory
) -> None:
    first = device(node, PAGES, shared=False)
    second = device_memory(PAGES, shared=False)
    first.touch(seed=3)
    assert second.zeroed(), "a write to one private mapping shows in the other"
    second.touch(seed=4)
    first.verify(seed=3)
    assert not set(residency(first).frames) & set(residency(second).frames)

# SPDX-License-Identifier: GPL-2.0-only
"""DEV-05: the bounds of the device, and the calls that change a mapping of it."""

import signal
from collections.abc import Callable

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from helpers.constants import (
    MADV_DONTNEED,
    MADV_FREE,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
)
from helpers.memory import PAGE_SIZE
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import TestModule
from selftests.device.conftest import DeviceFactory

PAGES = 16
BEYOND = {"longer": (PAGES + 1, 0), "behind": (1, PAGES), "across": (9, PAGES - 8), "far": (1, 1 << 40)}
INSIDE = {"all": (PAGES, 0), "last": (1, PAGES - 1), "middle": (4, 7)}
SHARING = pytest.mark.parametrize("shared", [True, False], ids=["shared", "private"])


def died_by(child: ChildFactory, action: Callable[[], object]) -> signal.Signals | None:
    """Which signal the action costs a process, None when it survives."""
    try:
        child(action, timeout=30)
    except ChildDied as death:
        return death.signal
    return None


@requirement("DEV-05")
@SHARING
@pytest.mark.parametrize(("pages", "first"), BEYOND.values(), ids=BEYOND)
def test_mmap_beyond_the_size_is_invalid(
    closed_node: PrivateNode,
    mod: TestModule,
    device_memory: AnonFactory,
    pages: int,
    first: int,
    shared: bool,
) -> None:
    mod.device(closed_node.nid, PAGES * PAGE_SIZE)
    assert outcome(device_memory, pages, offset=first * PAGE_SIZE, shared=shared) == "EINVAL"
    for fitting, start in INSIDE.values():
        assert outcome(device_memory, fitting, offset=start * PAGE_SIZE, shared=shared) == OK


@requirement("DEV-05")
def test_an_offset_names_the_devices_pages(
    node: PrivateNode, device: DeviceFactory, device_memory: AnonFactory
) -> None:
    whole = device(node, PAGES)
    whole.touch()
    frames = residency(whole).frames
    for pages, first in INSIDE.values():
        part = device_memory(pages, offset=first * PAGE_SIZE)
        part.read_fault()
        assert residency(part).frames == frames[first : first + pages]


@requirement("DEV-05")
@SHARING
def test_mremap_does_not_grow_it(
    closed_node: PrivateNode, mod: TestModule, device_memory: AnonFactory, shared: bool
) -> None:
    mod.device(closed_node.nid, PAGES * PAGE_SIZE)
    memory = device_memory(PAGES, shared=shared)
    memory.touch()
    assert outcome(memory.remap, 2 * PAGES, MREMAP_MAYMOVE) == "EFAULT"
    memory.verify()


@requirement("DEV-05")
def test_mremap_moves_it(node: PrivateNode, device: DeviceFactory, anon: AnonFactory) -> None:
    memory, place = device(node, PAGES), anon(PAGES)
    memory.touch(full=True)
    before, target = residency(memory), place.addr
    place.close()
    memory.remap(PAGES, MREMAP_MAYMOVE | MREMAP_FIXED, target)
    assert memory.addr == target
    assert residency(memory).frames == before.frames
    memory.verify(full=True)


@requirement("DEV-05")
def test_munmap_of_a_part_leaves_the_rest(
    node: PrivateNode, device: DeviceFactory, device_memory: AnonFactory, child: ChildFactory
) -> None:
    memory = device(node, PAGES)
    memory.touch(full=True)
    before = residency(memory).frames
    memory.unmap(4, 8)
    memory.verify(full=True, count=4)
    memory.verify(full=True, first=12)
    assert died_by(child, lambda: memory.read_fault(first=4, count=1)) is signal.SIGSEGV
    whole = device_memory(PAGES)
    whole.verify(full=True)
    assert residency(whole).frames == before, "the device's pages changed"


@requirement("DEV-05")
def test_dontneed_drops_the_mapping_and_no_data(node: PrivateNode, device: DeviceFactory) -> None:
    memory = device(node, PAGES)
    memory.touch(full=True)
    before = residency(memory)
    memory.advise(MADV_DONTNEED, first=4, count=8)
    assert residency(memory).absent == 8, residency(memory)
    memory.verify(full=True)
    assert residency(memory).frames == before.frames


@requirement("DEV-05")
def test_dontneed_drops_a_private_copy(
    node: PrivateNode, ordinary_node: Node, device: DeviceFactory, device_memory: AnonFactory
) -> None:
    shared = device(node, PAGES)
    shared.touch(seed=1)
    private = device_memory(PAGES, shared=False)
    private.touch(seed=2)
    assert residency(private).all_on(ordinary_node.nid), residency(private)
    private.advise(MADV_DONTNEED)
    private.verify(seed=1)
    assert residency(private).frames == residency(shared).frames


@requirement("DEV-05")
def test_free_advice_is_for_anonymous_memory(
    closed_node: PrivateNode, device: DeviceFactory, anon: AnonFactory
) -> None:
    memory, plain = device(closed_node, PAGES), anon(PAGES)
    memory.touch()
    plain.touch()
    assert outcome(memory.advise, MADV_FREE) == "EINVAL"
    assert outcome(plain.advise, MADV_FREE) == OK
    memory.verify()


@requirement("DEV-05")
@pytest.mark.parametrize(
    ("prot", "readable", "writable"),
    [(PROT_NONE, False, False), (PROT_READ, True, False), (PROT_READ | PROT_WRITE, True, True)],
    ids=["none", "read", "write"],
)
def test_mprotect_is_obeyed(
    node: PrivateNode, device: DeviceFactory, child: ChildFactory, prot: int, readable: bool, writable: bool
) -> None:
    memory = device(node, PAGES)
    memory.touch(seed=1)
    memory.protect(prot)
    assert died_by(child, memory.read_fault) is (None if readable else signal.SIGSEGV)
    assert died_by(child, memory.touch) is (None if writable else signal.SIGSEGV)
    memory.protect(PROT_READ | PROT_WRITE)
    memory.verify(seed=1)


@requirement("DEV-05")
def test_mprotect_moves_nothing(node: PrivateNode, device: DeviceFactory, mod: TestModule) -> None:
    memory = device(node, PAGES)
    memory.touch()
    before = residency(memory)
    for prot in (PROT_READ, PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE):
        memory.protect(prot, first=4, count=8)
        memory.protect(PROT_READ, first=4, count=8)
        assert not any(page.writable for page in mod.pages(memory.page_addr(4), 8)), f"after {prot}"
    memory.protect(PROT_READ | PROT_WRITE)
    memory.touch()
    assert residency(memory).frames == before.frames, residency(memory)

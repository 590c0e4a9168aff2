# SPDX-License-Identifier: GPL-2.0-only
"""NOP-05 and NOP-08, what user space can do to its pages: the calls go as they go for a device mapping, the
pages of the closed P stay as they are; on anonymous memory of D each call does its work, which is the
control."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.knobs import KnobSetter
from fixtures.nodes import PrivateNode
from fixtures.pressure import SwapFactory
from fixtures.requirement import requirement
from fixtures.settling import drain
from helpers import syscalls
from helpers.constants import (
    MADV_COLD,
    MADV_COLLAPSE,
    MADV_FREE,
    MADV_MERGEABLE,
    MADV_PAGEOUT,
    MADV_SOFT_OFFLINE,
    MCL_CURRENT,
    MCL_ONFAULT,
    MLOCK_ONFAULT,
)
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import PageFlags, PteFlags, TestModule
from helpers.wait import wait_until
from selftests.noops.pages import PAGES, Frozen, OnNode

SOFT_OFFLINE = Path("/sys/devices/system/memory/soft_offline_page")
KSM = Path("/sys/kernel/mm/ksm")
LOCKED = PageFlags.MLOCKED | PageFlags.UNEVICTABLE


def having(testmod: TestModule, memory: Mapping, flags: PageFlags) -> int:
    """Pages of the memory whose folio has any of these flags."""
    return sum(1 for page in testmod.pages(memory.addr, memory.pages) if page.flags & flags)


def lock(memory: Mapping) -> None:
    syscalls.mlock(memory.addr, memory.nbytes)


def lock_on_fault(memory: Mapping) -> None:
    syscalls.mlock2(memory.addr, memory.nbytes, MLOCK_ONFAULT)


def lock_all(_memory: Mapping) -> None:
    syscalls.mlockall(MCL_CURRENT | MCL_ONFAULT)


@requirement("NOP-05")
@pytest.mark.parametrize("call", [lock, lock_on_fault, lock_all], ids=["mlock", "mlock2", "mlockall"])
def test_mlock(
    device_pages: Mapping, anon_on: OnNode, ordinary_node: Node, testmod: TestModule,
    call: Callable[[Mapping], None],
) -> None:  # fmt: skip
    stay, control = Frozen(device_pages), anon_on(ordinary_node.nid)
    try:
        call(device_pages)
        call(control)
        assert having(testmod, control, PageFlags.MLOCKED) == PAGES, "the control is not mlocked"
        assert not having(testmod, device_pages, LOCKED), "pages on P are mlocked"
    finally:
        syscalls.munlockall()
    assert not having(testmod, control, PageFlags.MLOCKED), "the control is still mlocked"
    stay.check(call.__name__)


def advise(memory: Mapping, advice: int) -> None:
    memory.advise(advice)


def advise_by_pidfd(memory: Mapping, advice: int) -> None:
    pidfd = os.pidfd_open(os.getpid())
    try:
        syscalls.process_madvise(pidfd, [(memory.addr, memory.nbytes)], advice)
    finally:
        os.close(pidfd)


by_call = pytest.mark.parametrize("call", [advise, advise_by_pidfd], ids=["madvise", "process_madvise"])
Advise = Callable[[Mapping, int], None]


@requirement("NOP-05")
@by_call
def test_madvise_pageout(
    device_pages: Mapping, anon_on: OnNode, ordinary_node: Node, swap: SwapFactory, call: Advise
) -> None:
    swap(16 << 20)
    stay, control = Frozen(device_pages), anon_on(ordinary_node.nid)
    assert outcome(call, device_pages, MADV_PAGEOUT) == OK
    stay.check("MADV_PAGEOUT")
    call(control, MADV_PAGEOUT)
    assert residency(control).swapped > PAGES // 2, f"the control is not swapped out: {residency(control)}"


@requirement("NOP-05")
@by_call
def test_madvise_cold(
    device_pages: Mapping, anon_on: OnNode, ordinary_node: Node, testmod: TestModule, call: Advise
) -> None:
    def young(memory: Mapping) -> int:
        return sum(1 for page in testmod.pages(memory.addr, memory.pages) if page.pte & PteFlags.YOUNG)

    stay, control = Frozen(device_pages), anon_on(ordinary_node.nid)
    before = young(device_pages)
    assert before == young(control) == PAGES, "touched just now"
    assert outcome(call, device_pages, MADV_COLD) == OK
    call(control, MADV_COLD)
    assert young(control) == 0, f"the control: {young(control)} pages are not cold"
    assert young(device_pages) == before, "pages on P were aged"
    stay.check("MADV_COLD")


@requirement("NOP-05")
def test_madvise_free(
    device_pages: Mapping, device_on: OnNode, anon_on: OnNode, ordinary_node: Node, testmod: TestModule
) -> None:
    """For memory that is not anonymous EINVAL, on whatever node."""
    stay, control = Frozen(device_pages), anon_on(ordinary_node.nid)
    like = outcome(device_on(ordinary_node.nid).advise, MADV_FREE)
    assert outcome(device_pages.advise, MADV_FREE) == like
    stay.check("MADV_FREE")
    drain()  # only what is on the LRU lists can be marked
    control.advise(MADV_FREE)
    drain()
    assert not having(testmod, control, PageFlags.SWAPBACKED), "the control is not marked free"


@requirement("NOP-05")
def test_madvise_collapse(
    provisioned_closed_node: PrivateNode,
    device_on: OnNode,
    ordinary_node: Node,
    anon_on: OnNode,
    testmod: TestModule,
) -> None:
    memory, like = device_on(provisioned_closed_node.nid, 1024), device_on(ordinary_node.nid, 1024)
    stay = Frozen(memory)
    assert outcome(memory.advise, MADV_COLLAPSE) == outcome(like.advise, MADV_COLLAPSE)
    assert not having(testmod, memory, PageFlags.LARGE), "huge pages on P"
    stay.check("MADV_COLLAPSE")


@requirement("NOP-05")
def test_ksm(
    device_pages: Mapping, anon_on: OnNode, ordinary_node: Node, testmod: TestModule, knob: KnobSetter
) -> None:
    if not KSM.exists():
        pytest.skip("needs KSM (CONFIG_KSM)")
    control = anon_on(ordinary_node.nid)
    for memory in (device_pages, control):
        for index in range(PAGES):
            memory.view[index * PAGE_SIZE : (index + 1) * PAGE_SIZE] = b"the same" * (PAGE_SIZE // 8)
        memory.advise(MADV_MERGEABLE)
    before = residency(device_pages)
    knob(f"{KSM}/sleep_millisecs", 1)
    knob(f"{KSM}/pages_to_scan", 1000)
    knob(f"{KSM}/run", 1)
    wait_until(
        lambda: len(set(residency(control).frames)) < PAGES // 2, 20,
        lambda: f"the control merged: {len(set(residency(control).frames))} frames for {PAGES} pages",
    )  # fmt: skip
    assert residency(device_pages) == before, f"pages on P: {residency(device_pages)}"
    assert not having(testmod, device_pages, PageFlags.KSM), "KSM pages on P"
    assert device_pages.read_all() == b"the same" * (device_pages.nbytes // 8)


def offline_by_address(memory: Mapping) -> None:
    """The first page, by madvise()."""
    memory.advise(MADV_SOFT_OFFLINE, first=0, count=1)


def offline_by_frame(memory: Mapping) -> None:
    """The first page, by its physical address."""
    pfn = residency(memory).frames[0]
    assert pfn is not None
    with open(SOFT_OFFLINE, "w") as file:
        file.write(hex(pfn * PAGE_SIZE))


@requirement("NOP-08")
@pytest.mark.parametrize("call", [offline_by_address, offline_by_frame], ids=["madvise", "sysfs"])
@pytest.mark.disruptive
def test_soft_offline(
    held: Mapping, anon_on: OnNode, ordinary_node: Node, call: Callable[[Mapping], None]
) -> None:
    if not SOFT_OFFLINE.exists():
        pytest.skip("needs soft offline (CONFIG_MEMORY_FAILURE)")
    stay = Frozen(held)
    assert outcome(call, held) == errno.errorcode[errno.EBUSY]
    stay.check("soft offline")
    held.touch(2)
    held.verify(2)
    control = anon_on(ordinary_node.nid, 4)
    (old, *_) = residency(control).frames
    assert outcome(call, control) == OK, "the control: a page on D"
    (new, *_) = residency(control).frames
    unpoison(old)
    assert new != old, "the control did not move"
    control.verify()


def unpoison(pfn: int | None) -> None:
    """Give a retired frame back, where the kernel can."""
    file = Path("/sys/kernel/debug/hwpoison/unpoison-pfn")
    if pfn is not None and file.exists():
        file.write_text(str(pfn))

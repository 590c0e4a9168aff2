# SPDX-License-Identifier: GPL-2.0-only
"""NOP-06, pins: a long-term pin would take a page of the closed P from its owner, so it fails and the page
stays; short pins work."""

import errno
import os

import pytest

from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.outcome import outcome
from helpers.testmod import TestModule
from selftests.noops.pages import Frozen, OnNode

fast = pytest.mark.parametrize("fast", [False, True], ids=["slow", "fast"])
write = pytest.mark.parametrize("write", [False, True], ids=["read", "write"])


@requirement("NOP-06")
@fast
@write
@pytest.mark.timeout(60)  # trying again and again would be a livelock
def test_long_term_pin_fails_and_the_page_stays(
    held: Mapping, twin: OnNode, mod: TestModule, ordinary_node: Node, write: bool, fast: bool
) -> None:
    stay = Frozen(held)
    result = outcome(mod.pin, held.addr, held.pages, longterm=True, write=write, fast=fast)
    stay.check(f"long-term pin: {result}")
    assert result == errno.errorcode[errno.ENOMEM]
    control = twin(ordinary_node.nid)
    pin = mod.pin(control.addr, control.pages, longterm=True, write=write, fast=fast)
    assert set(pin.nids) == {ordinary_node.nid}, f"the control: {pin}"
    assert pin.pinned == control.pages, f"the control: {pin}"


@requirement("NOP-06")
@fast
@pytest.mark.core
def test_short_pin_works(held: Mapping, mod: TestModule, fast: bool) -> None:
    stay = Frozen(held)
    pin = mod.pin(held.addr, held.pages, fast=fast)
    assert pin.pinned == held.pages, f"{pin}"
    assert list(pin.pfns) == stay.frames, "other pages were pinned"
    stay.check("while pinned")
    mod.unpin(pin)
    stay.check("unpinned")


@requirement("NOP-06")
def test_failed_pins_leave_nothing_behind(held: Mapping, mod: TestModule) -> None:
    """A pin that fails pins nothing, not even what came first."""
    stay = Frozen(held)
    for _ in range(20):
        assert outcome(mod.pin, held.addr, 4, longterm=True) == errno.errorcode[errno.ENOMEM]
    assert mod.totals().mine.pins == 0
    stay.check("20 long-term pins")


@requirement("NOP-06")
def test_reading_and_writing_from_another_process(device_pages: Mapping, child: ChildFactory) -> None:
    """process_vm_readv() and process_vm_writev() pin for a moment."""
    memory, pid = device_pages, os.getpid()
    stay = Frozen(memory)
    seen = child(syscalls.process_vm_readv, pid, memory.addr, memory.nbytes)
    assert seen == memory.read_all()
    child(syscalls.process_vm_writev, pid, memory.addr, seen[::-1])
    assert memory.read_all() == seen[::-1]
    memory.touch()
    stay.check("process_vm_writev")

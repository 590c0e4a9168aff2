# SPDX-License-Identifier: GPL-2.0-only
"""CXL-05: media errors. The host injects them into the device while the test runs; a device that is not
emulated cannot be asked for them."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.nodes import OpenNode
from fixtures.private import callbacks_for
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import topology
from helpers import cxl, host
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.residency import residency
from helpers.testmod import Callback, Callbacks, Ops
from helpers.wait import wait_until
from selftests.callbacks.poison import need_injection
from selftests.cxl.region import of_node
from selftests.discovery.tracing import Trace, recording

pytestmark = [topology("cxl"), pytest.mark.usefixtures("asked_host")]
LINE = 64  # bytes of a poison record's unit
PAGES = 4
HARD_OFFLINE = Path("/sys/devices/system/memory/hard_offline_page")
UNPOISON = Path("/sys/kernel/debug/hwpoison/unpoison-pfn")


@pytest.fixture
def asked_host() -> None:
    """A host that can be asked for faults of the device."""
    if not host.available():
        pytest.skip("needs a host that injects device faults")


class Poison:
    """Poison of this test, gone again at its end."""

    def __init__(self) -> None:
        self.injected: list[tuple[cxl.Memdev, int]] = []

    def inject(self, memdev: cxl.Memdev, dpa: int) -> None:
        """Into the device, at an address of its own."""
        self.injected.append((memdev, dpa))
        host.request("cxl-inject-poison", serial=memdev.serial, start=dpa, length=LINE)

    def clear(self) -> None:
        for memdev, dpa in self.injected:
            Path("/sys/kernel/debug/cxl", memdev.name, "clear_poison").write_text(hex(dpa))


@pytest.fixture
def poison() -> Iterator[Poison]:
    made = Poison()
    yield made
    made.clear()


def media_errors(memdev: cxl.Memdev) -> list[dict[str, str]]:
    """The device's list of poison, as the kernel reads it out."""
    with recording("cxl/cxl_poison", pid=0) as trace:
        (memdev.path / "trigger_poison_list").write_text("1")
        return trace.records()


@requirement("CXL-05")
@pytest.mark.usefixtures("unclaimed")
def test_poison_is_in_the_list_until_it_is_cleared(poison: Poison) -> None:
    memdev = next(one for one in cxl.memdevs() if one.ram_size)
    assert media_errors(memdev) == [], "the control: poison before any was injected"
    for dpa in (0, 16 * PAGE_SIZE):
        poison.inject(memdev, dpa)
    found = media_errors(memdev)
    assert {(one["memdev"], int(one["dpa"], 0)) for one in found} == {
        (memdev.name, 0),
        (memdev.name, 16 * PAGE_SIZE),
    }
    assert {int(one["serial"]) for one in found} == {memdev.serial}
    poison.clear()
    poison.injected.clear()
    assert media_errors(memdev) == []


@requirement("CXL-05")
def test_poison_of_a_page_in_use_reaches_owner_and_user(
    open_node: OpenNode, child: ChildFactory, poison: Poison
) -> None:
    """Device to list to physical address to memory_failure(), as an error daemon does it."""
    flags = Ops.MIGRATION | Ops.MEMPOLICY
    node = open_node(flags, callbacks=callbacks_for(flags) | Callbacks.MEMORY_FAILURE)
    region = of_node(node.nid)
    assert region.resource is not None
    need_injection()
    if region.interleave_ways > 1:
        pytest.skip("needs a region of one way")

    def hold() -> Iterator[int]:
        with Mapping.anonymous(PAGES) as memory:
            memory.bind(Mode.BIND, [node.nid])
            memory.touch()
            (pfn, *_) = residency(memory).frames
            yield pfn or 0
            memory.read_all()

    user = child.start(hold)
    pfn = user.step()
    memdev = region.targets[0].memdev
    poison.inject(memdev, pfn * PAGE_SIZE - region.resource)
    (record,) = media_errors(memdev)
    assert (int(record["hpa"], 0), record["region"]) == (pfn * PAGE_SIZE, region.name), f"{record}"
    HARD_OFFLINE.write_text(record["hpa"])
    try:
        assert [event.pfn for event in node.events(Callback.MEMORY_FAILURE)] == [pfn]
        with pytest.raises(ChildDied) as death:
            user.finish()
        assert death.value.signal is signal.SIGBUS
    finally:
        UNPOISON.write_text(str(pfn))


def general_media(trace: Trace, memdev: cxl.Memdev, dpa: int) -> list[dict[str, str]]:
    """Reports of an event of this device at this address of its own."""
    return [one for one in trace.records() if one["memdev"] == memdev.name and int(one["dpa"], 16) == dpa]


@requirement("CXL-05")
def test_media_event_is_reported() -> None:
    memdev = next(one for one in cxl.memdevs() if one.ram_size)
    dpa = 32 * PAGE_SIZE
    with recording("cxl/cxl_general_media", pid=0) as trace:
        assert not general_media(trace, memdev, dpa)
        host.request(
            "cxl-inject-general-media-event",
            serial=memdev.serial,
            log="informational",
            flags=1,
            dpa=dpa,
            descriptor=3,
            type=0,
            transaction_type=2,
        )
        wait_until(lambda: general_media(trace, memdev, dpa), 10, f"an event of {memdev.name} at {dpa:#x}")

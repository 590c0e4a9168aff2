# SPDX-License-Identifier: GPL-2.0-only
"""CXL-02: a RAM region over all ways of its window, made and taken down by sysfs."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from fixtures.requirement import requirement
from fixtures.selection import topology
from helpers import cxl, dax
from helpers.nodes import has_private_memory, node_list
from helpers.outcome import outcome
from helpers.wait import wait_until

pytestmark = topology("cxl")


@pytest.fixture(autouse=True)
def memdevs(unclaimed: None) -> Iterator[list[cxl.Memdev]]:
    """A device for each way of the machine's first window, part of no region; no region is left behind."""
    volatile = [memdev for memdev in cxl.memdevs() if memdev.ram_size]
    yield cxl.for_window(cxl.root_decoders()[0], volatile)
    for region in cxl.regions():
        with suppress(OSError):
            region.destroy()


def rest() -> tuple[list[str], set[int], int]:
    """What a region changes: regions, capacities of endpoint decoders, number of DAX devices."""
    return (
        [region.name for region in cxl.regions()],
        {decoder.dpa_size for decoder in cxl.decoders("endpoint")},
        len(dax.devices()),
    )


@requirement("CXL-02")
def test_region_is_what_was_asked_for(memdevs: list[cxl.Memdev]) -> None:
    window = next(one for one in cxl.root_decoders() if one.cap_ram)
    region = cxl.create_ram_region(memdevs)
    start, size = region.resource, region.size
    assert start is not None
    assert (region.committed, region.driver) == (True, "cxl_region")
    ways = len(memdevs)
    share = min(memdev.ram_size for memdev in memdevs) // cxl.ALIGN * cxl.ALIGN
    assert (size, region.interleave_ways) == (share * ways, window.interleave_ways)
    assert window.start <= start, f"region at {start:#x}, window at {window.start:#x}"
    assert start + size <= window.start + window.size
    for target, memdev in zip(region.targets, memdevs, strict=True):
        assert (target.memdev, target.dpa_size, target.region) == (memdev, share, region.name)
        assert (target.start, target.size) == (start, size), "the device decodes another range"
    assert region.window == window


@requirement("CXL-02")
def test_committed_only_with_its_target(memdevs: list[cxl.Memdev]) -> None:
    region = cxl.new_region(cxl.root_decoders()[0])
    assert outcome(region.commit) == "ENXIO", "committed without size and targets"
    assert region.committed is False
    region.destroy()
    assert cxl.regions() == []


@requirement("CXL-02")
def test_dax_device_lives_while_the_region_is_bound(memdevs: list[cxl.Memdev]) -> None:
    region = cxl.create_ram_region(memdevs, bind=False)
    assert region.committed
    assert region.dax() is None
    region.bind()
    device = region.wait_dax()
    assert (device.start, device.size) == (region.resource, region.size)
    assert device.target_node in node_list("possible")
    region.unbind()
    wait_until(lambda: region.dax() is None, 10, "the DAX device to go")
    assert region.committed, "unbinding the driver gave up the region"


@requirement("CXL-02")
def test_torn_down_without_a_trace_any_number_of_times(memdevs: list[cxl.Memdev]) -> None:
    before = rest()
    places = []
    for _again in range(3):
        region = cxl.create_ram_region(memdevs)
        device = region.wait_dax()
        places.append((region.resource, region.size, device.target_node))
        region.destroy()
        assert not region.exists()
        assert rest() == before, f"(regions, capacities, DAX devices) were {before}"
    assert len(set(places)) == 1, f"the same request found another place: {places}"


@requirement("CXL-02")
def test_decommit_frees_the_decoder(memdevs: list[cxl.Memdev]) -> None:
    region = cxl.create_ram_region(memdevs)
    region.wait_dax()
    region.decommit()
    assert (region.committed, region.driver, region.dax()) == (False, None, None)
    region.commit()
    region.bind()
    assert region.wait_dax().size == region.size


@requirement("CXL-02")
def test_region_is_no_memory_of_any_node(memdevs: list[cxl.Memdev]) -> None:
    device = cxl.create_ram_region(memdevs).wait_dax()
    assert device.target_node not in node_list("has_memory")
    assert has_private_memory() == set()

# SPDX-License-Identifier: GPL-2.0-only
"""CXL-02: a 1-way RAM region, made and taken down by sysfs."""

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
def memdev(unclaimed: None) -> Iterator[cxl.Memdev]:
    """The machine's first CXL memory device, part of no region; no region is left behind."""
    yield cxl.memdevs()[0]
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
def test_region_is_what_was_asked_for(memdev: cxl.Memdev) -> None:
    window = next(one for one in cxl.root_decoders() if one.cap_ram)
    region = cxl.create_ram_region([memdev])
    start, size = region.resource, region.size
    assert start is not None
    assert (region.committed, region.driver) == (True, "cxl_region")
    assert (size, region.interleave_ways) == (memdev.ram_size // cxl.ALIGN * cxl.ALIGN, 1)
    assert window.start <= start, f"region at {start:#x}, window at {window.start:#x}"
    assert start + size <= window.start + window.size
    (target,) = region.targets
    assert (target.memdev, target.dpa_size, target.region) == (memdev, size, region.name)
    assert (target.start, target.size) == (start, size), "the device decodes another range"
    assert region.window == window


@requirement("CXL-02")
def test_committed_only_with_its_target(memdev: cxl.Memdev) -> None:
    region = cxl.new_region(cxl.root_decoders()[0])
    assert outcome(region.commit) == "ENXIO", "committed without size and targets"
    assert region.committed is False
    region.destroy()
    assert cxl.regions() == []


@requirement("CXL-02")
def test_dax_device_lives_while_the_region_is_bound(memdev: cxl.Memdev) -> None:
    region = cxl.create_ram_region([memdev], bind=False)
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
def test_torn_down_without_a_trace_any_number_of_times(memdev: cxl.Memdev) -> None:
    before = rest()
    places = []
    for _again in range(3):
        region = cxl.create_ram_region([memdev])
        device = region.wait_dax()
        places.append((region.resource, region.size, device.target_node))
        region.destroy()
        assert not region.exists()
        assert rest() == before, f"(regions, capacities, DAX devices) were {before}"
    assert len(set(places)) == 1, f"the same request found another place: {places}"


@requirement("CXL-02")
def test_decommit_frees_the_decoder(memdev: cxl.Memdev) -> None:
    region = cxl.create_ram_region([memdev])
    region.wait_dax()
    region.decommit()
    assert (region.committed, region.driver, region.dax()) == (False, None, None)
    region.commit()
    region.bind()
    assert region.wait_dax().size == region.size


@requirement("CXL-02")
def test_region_is_no_memory_of_any_node(memdev: cxl.Memdev) -> None:
    device = cxl.create_ram_region([memdev]).wait_dax()
    assert device.target_node not in node_list("has_memory")
    assert has_private_memory() == set()

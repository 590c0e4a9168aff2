# SPDX-License-Identifier: GPL-2.0-only
"""CXL-01 and CXL-02 behind a switch, which interleaves what lies below it."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from fixtures.requirement import requirement
from fixtures.selection import topology
from helpers import cxl

pytestmark = topology("cxl-switch")


@pytest.fixture
def pair(unclaimed: None) -> Iterator[list[cxl.Memdev]]:
    """Both devices, part of no region; none is left behind."""
    yield cxl.memdevs()
    for region in cxl.regions():
        with suppress(OSError):
            region.destroy()


@requirement("CXL-01")
def test_a_port_of_the_switch_is_between_host_bridge_and_device(pair: list[cxl.Memdev]) -> None:
    assert len(pair) == 2
    above = [cxl.endpoint_decoder(memdev).path.resolve().parent.parent for memdev in pair]
    assert above[0] == above[1], f"not below one switch: {above}"
    assert above[0].name.startswith("port")
    assert above[0].parent.name.startswith("port"), f"the host bridge's port is missing: {above[0]}"


@requirement("CXL-02")
def test_region_interleaved_by_the_switch(pair: list[cxl.Memdev]) -> None:
    region = cxl.create_ram_region(pair, window=cxl.root_decoders()[0])
    assert region.committed
    assert (region.interleave_ways, region.window.interleave_ways) == (2, 1)
    switch = [one for one in cxl.decoders("switch") if one.interleave_ways == 2]
    assert switch, "no decoder of the switch interleaves"
    assert region.wait_dax().size == region.size == sum(memdev.ram_size for memdev in pair)

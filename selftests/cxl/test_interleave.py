# SPDX-License-Identifier: GPL-2.0-only
"""CXL-02 and CXL-04 over two host bridges: the window decides which device serves which granule."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode
from fixtures.requirement import requirement
from fixtures.selection import topology
from helpers import cxl
from helpers.constants import Mode
from helpers.outcome import outcome
from helpers.residency import residency
from helpers.testmod import Ops
from selftests.cxl.region import inside, of_node

pytestmark = topology("cxl-interleave")
PAGES = 32


@pytest.fixture
def bare(unclaimed: None) -> Iterator[cxl.Decoder]:
    """The interleaving window without a region; none is left behind."""
    yield cxl.root_decoders()[0]
    for region in cxl.regions():
        with suppress(OSError):
            region.destroy()


@requirement("CXL-02")
def test_region_takes_a_device_behind_each_bridge(bare: cxl.Decoder) -> None:
    assert bare.interleave_ways == 2
    chosen = cxl.for_window(bare, cxl.memdevs())
    region = cxl.create_ram_region(chosen, window=bare)
    assert region.interleave_ways == 2
    assert region.interleave_granularity == bare.interleave_granularity
    assert [target.memdev for target in region.targets] == chosen
    assert {target.dpa_size for target in region.targets} == {region.size // 2}
    assert {(target.start, target.size) for target in region.targets} == {(region.resource, region.size)}


@requirement("CXL-02")
def test_devices_in_the_wrong_order_are_refused(bare: cxl.Decoder) -> None:
    """Position 0 belongs to the first target of the window."""
    wrong = list(reversed(cxl.for_window(bare, cxl.memdevs())))
    endpoints = [cxl.endpoint_decoder(memdev) for memdev in wrong]
    region = cxl.new_region(bare)
    cxl.write(region.path / "interleave_granularity", bare.interleave_granularity)
    cxl.write(region.path / "interleave_ways", 2)
    for endpoint in endpoints:
        endpoint.allocate(cxl.ALIGN)
    cxl.write(region.path / "size", 2 * cxl.ALIGN)
    results = [
        outcome(cxl.write, region.path / f"target{position}", endpoint.name)
        for position, endpoint in enumerate(endpoints)
    ]
    assert set(results) - {"ok"}, f"both positions took a device of the other bridge: {results}"
    region.destroy()
    for endpoint in endpoints:
        if endpoint.dpa_size:
            endpoint.allocate(0)
    right = cxl.create_ram_region(cxl.for_window(bare, cxl.memdevs()), window=bare)
    assert right.committed, "the control"


@requirement("CXL-04")
def test_pages_across_both_devices_keep_their_contents(open_node: OpenNode, anon: AnonFactory) -> None:
    """Every byte, since each page is spread over both devices granule by granule."""
    node = open_node(Ops.MIGRATION | Ops.MEMPOLICY)
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch(full=True)
    found = residency(memory)
    assert found.all_on(node.nid), f"{found}"
    assert inside(of_node(node.nid), found.frames)
    memory.verify(full=True)

# SPDX-License-Identifier: GPL-2.0-only
"""CXL-01 and CXL-04 with persistent memory beside: it is told apart, and is nobody's private node."""

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.selection import topology
from helpers import cxl
from helpers.nodes import has_private_memory
from helpers.outcome import outcome
from selftests.cxl.region import of_node

pytestmark = topology("cxl-mixed")


@requirement("CXL-01")
@pytest.mark.usefixtures("unclaimed")
def test_capacities_are_told_apart() -> None:
    kinds = {(bool(memdev.ram_size), bool(memdev.pmem_size)) for memdev in cxl.memdevs()}
    assert kinds == {(True, False), (False, True)}, "volatile and persistent, one of each"


@requirement("CXL-02")
@pytest.mark.usefixtures("unclaimed")
def test_persistent_capacity_is_no_ram() -> None:
    (persistent,) = (memdev for memdev in cxl.memdevs() if memdev.pmem_size)
    result = outcome(cxl.endpoint_decoder(persistent).allocate, cxl.ALIGN)
    assert result != "ok", "persistent capacity was given out as ram"
    assert cxl.endpoint_decoder(persistent).dpa_size == 0


@requirement("CXL-04")
def test_private_node_is_the_volatile_device(closed_node: PrivateNode) -> None:
    (target,) = of_node(closed_node.nid).targets
    assert (bool(target.memdev.ram_size), target.memdev.pmem_size) == (True, 0)
    assert has_private_memory() == {closed_node.nid}

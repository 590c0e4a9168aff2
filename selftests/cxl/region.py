# SPDX-License-Identifier: GPL-2.0-only
"""What lies within a region."""

from collections.abc import Iterable

from helpers import cxl
from helpers.memory import PAGE_SIZE


def inside(region: cxl.Region, pfns: Iterable[int | None]) -> bool:
    """Whether every frame is memory of the region."""
    start = region.resource
    assert start is not None, f"{region.name} has no address"
    return all(pfn is not None and 0 <= pfn * PAGE_SIZE - start < region.size for pfn in pfns)


def of_node(nid: int) -> cxl.Region:
    """The region whose DAX device belongs to the node. LookupError without one."""
    for region in cxl.regions():
        device = region.dax()
        if device is not None and device.target_node == nid:
            return region
    raise LookupError(f"no CXL region belongs to node {nid}: {cxl.regions()}")

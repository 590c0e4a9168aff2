# SPDX-License-Identifier: GPL-2.0-only
"""CXL-03: latency and bandwidth of a region are those of the way to the bridge and of the device together;
its node shows them, and is in a tier below DRAM for them."""

from pathlib import Path

import pytest

from fixtures.nodes import PrivateNode, PrivateRange
from fixtures.requirement import requirement
from fixtures.selection import topology
from helpers import cxl, paths
from helpers.nodemask import NodeMask
from helpers.nodes import Node
from selftests.cxl import performance
from selftests.cxl.performance import Reach
from selftests.cxl.region import of_node

pytestmark = topology("cxl-hmat")
#: What the links between bridge and device may add, in ns.
LINK = 100
TIERS = paths.SYS / "devices/virtual/memory_tiering"


def shown(place: Path) -> Reach:
    """What the kernel shows in a directory of sysfs."""
    return Reach(paths.read_int(place / "read_latency"), paths.read_int(place / "read_bandwidth"))


def expected(region: cxl.Region) -> tuple[Reach, Reach]:
    """To the bridge by the HMAT, and within the device by its CDAT."""
    bridge, device = performance.to_bridge(), performance.of_device(region.targets[0])
    assert bridge is not None, "the HMAT says nothing of the generic port"
    assert device is not None, "the CDAT says nothing"
    return bridge, device


@requirement("CXL-03")
def test_latency_of_a_region_is_that_of_its_parts(closed_node: PrivateNode) -> None:
    region = of_node(closed_node.nid)
    bridge, device = expected(region)
    found = shown(region.path / "access0")
    least = bridge.latency + device.latency
    assert least <= found.latency <= least + LINK, (
        f"{found}; to the bridge {bridge}, within the device {device}"
    )


@requirement("CXL-03")
def test_bandwidth_of_a_region_is_that_of_its_narrowest_part(closed_node: PrivateNode) -> None:
    region = of_node(closed_node.nid)
    bridge, device = expected(region)
    found = shown(region.path / "access0")
    most = min(bridge.bandwidth, device.bandwidth)
    assert 0 < found.bandwidth <= most, f"{found}; to the bridge {bridge}, within the device {device}"


@requirement("CXL-03")
def test_the_node_is_as_far_as_its_region(closed_node: PrivateNode, ordinary_node: Node) -> None:
    """An ordinary node is the control: as far as the HMAT says."""
    initiators = Path("access0/initiators")
    assert shown(ordinary_node.path / initiators) == performance.to_domain(0)
    assert shown(closed_node.node.path / initiators) == shown(of_node(closed_node.nid).path / "access0")


def tier(nid: int) -> int:
    """Number of a node's memory tier: the larger, the slower."""
    found = {int(path.name.removeprefix("memory_tier")): path for path in TIERS.glob("memory_tier[0-9]*")}
    return next(
        number for number, path in found.items() if nid in NodeMask.parse(paths.read_text(path / "nodelist"))
    )


@requirement("CXL-03")
@pytest.mark.parametrize("kind", ["ordinary", "private"])
def test_it_is_in_a_tier_below_dram(unplugged: PrivateRange, ordinary_nodes: list[Node], kind: str) -> None:
    node = unplugged.plug_ordinary() if kind == "ordinary" else unplugged.plug()
    near = {tier(one.nid) for one in ordinary_nodes}
    assert tier(node.nid) > max(near), f"node {node.nid}: tier {tier(node.nid)}, ordinary nodes: {near}"

# SPDX-License-Identifier: GPL-2.0-only
"""CXL-03: the node that a window promises, and what is known of how far and how fast it is."""

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.selection import topology
from helpers import cxl, dax
from helpers.nodes import Node, node_list
from selftests.cxl.firmware import CEDT, nodes_of
from selftests.cxl.region import of_node
from selftests.discovery.acpi import TABLES, domains, node_distances

pytestmark = topology("cxl", "cxl-region")
#: Distance that the kernel gives nodes without an entry in the SLIT (include/linux/topology.h).
LOCAL, REMOTE = 10, 20


def promised() -> dict[int, int]:
    """Start of each window -> its node."""
    return nodes_of(CEDT.read_bytes(), (TABLES / "SRAT").read_bytes())


def of_firmware(nid: int) -> bool:
    """Whether the SRAT describes the node: its distances and performance are the firmware's to say then."""
    return nid < len(domains((TABLES / "SRAT").read_bytes()))


@requirement("CXL-03")
def test_node_is_that_of_the_window(closed_node: PrivateNode) -> None:
    region = of_node(closed_node.nid)
    assert closed_node.nid == promised()[region.window.start], f"window {region.window.start:#x}"


@requirement("CXL-03")
@topology("cxl")
@pytest.mark.usefixtures("unclaimed")
def test_every_window_has_a_node_before_there_is_memory() -> None:
    nodes = set(promised().values())
    assert nodes <= set(node_list("possible")), f"{nodes} of {node_list('possible')}"
    assert not nodes & set(node_list("has_memory"))
    assert not cxl.regions(), "a region was left"


@requirement("CXL-03")
def test_every_region_leads_to_a_node_of_its_own_window(closed_node: PrivateNode) -> None:
    found = {region.window.start: device.target_node for region in cxl.regions() if (device := region.dax())}
    assert found, f"no region has a DAX device: {[one.name for one in dax.devices()]}"
    assert found == {start: promised()[start] for start in found}


@requirement("CXL-03")
def test_distances_read_well(closed_node: PrivateNode, ordinary_nodes: list[Node]) -> None:
    """As in the SLIT, which does not know a window's own node: the default then."""
    table = node_distances() or {}
    here = closed_node.node.distances()
    assert here[closed_node.nid] == LOCAL, f"{here}"
    for node in ordinary_nodes:
        back = table.get((node.nid, closed_node.nid), REMOTE)
        assert node.distances()[closed_node.nid] == back, f"{node}: {node.distances()}; SLIT: {table}"
        expected = table.get((closed_node.nid, node.nid), REMOTE)
        assert here[node.nid] == expected, f"{here}, expected {expected} to {node}; SLIT: {table}"


@requirement("CXL-03")
def test_performance_attributes_are_numbers_that_fit_together(closed_node: PrivateNode) -> None:
    """Where the firmware tells enough (HMAT with generic ports, CDAT), the region's and the node's agree;
    those of a node of the SRAT are not taken from the device (cxl_need_node_perf_attrs_update())."""
    region = of_node(closed_node.nid)
    found = {
        place: {file.name: int(file.read_text()) for file in place.iterdir() if file.name.endswith("width")}
        for place in (region.path / "access0", closed_node.node.path / "access0" / "initiators")
        if place.is_dir()
    }
    if not any(found.values()):
        pytest.skip("needs performance attributes from the firmware")
    for place, values in found.items():
        assert all(value > 0 for value in values.values()), f"{place}: {values}"
    if len(found) == 2 and not of_firmware(closed_node.nid):
        first, second = found.values()
        assert first == second, f"{found}"

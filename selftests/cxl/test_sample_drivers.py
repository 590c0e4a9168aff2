# SPDX-License-Identifier: GPL-2.0-only
"""CXL-08: the sample driver of the series, where the kernel has it."""

from collections.abc import Iterator

import pytest

from fixtures.memory import AnonFactory
from fixtures.requirement import requirement
from fixtures.selection import disruptive, topology
from helpers import cxl, paths
from helpers.constants import Mode
from helpers.nodes import has_private_memory, node_list
from helpers.residency import residency
from helpers.wait import wait_until

pytestmark = [topology("cxl"), disruptive]
PCI = paths.SYS / "bus/pci"
USUAL, SAMPLE = "cxl_pci", "cxl_mempolicy"
SECONDS = 30


@pytest.fixture
def sample(unclaimed: None) -> Iterator[str]:
    """A device with the sample driver instead of its usual one, by PCI address."""
    if not (PCI / "drivers" / SAMPLE).is_dir():
        pytest.skip("needs the sample drivers of the series")
    address = next(one for one in cxl.memdevs() if one.ram_size).pci_address
    paths.write_text(PCI / "drivers" / USUAL / "unbind", address)
    paths.write_text(PCI / "devices" / address / "driver_override", SAMPLE)
    paths.write_text(PCI / "drivers" / SAMPLE / "bind", address)
    yield address
    if paths.driver(PCI / "devices" / address) == SAMPLE:
        paths.write_text(PCI / "drivers" / SAMPLE / "unbind", address)
    paths.write_text(PCI / "devices" / address / "driver_override", "\n")
    paths.write_text(PCI / "drivers" / USUAL / "bind", address)


@requirement("CXL-08")
def test_bound_it_opens_a_node_and_unbound_gives_it_back(sample: str, anon: AnonFactory) -> None:
    wait_until(has_private_memory, SECONDS, f"a private node of {sample}")
    (nid,) = has_private_memory() or ()
    assert nid in node_list("has_memory"), "not open to policies"
    with anon(8) as memory:
        memory.bind(Mode.BIND, [nid])
        memory.touch()
        assert residency(memory).all_on(nid), f"{residency(memory)}"
    paths.write_text(PCI / "drivers" / SAMPLE / "unbind", sample)
    wait_until(lambda: not has_private_memory(), SECONDS, f"node {nid} to go")

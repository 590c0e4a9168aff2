# SPDX-License-Identifier: GPL-2.0-only
"""CXL-01: the device and its decoders, as the kernel shows them, against firmware and device."""

import pytest

from fixtures.requirement import requirement
from fixtures.selection import topology
from helpers import cxl, paths
from selftests.cxl.firmware import CEDT, Function, windows

pytestmark = [topology("cxl"), pytest.mark.usefixtures("unclaimed")]


@pytest.fixture
def memdev() -> cxl.Memdev:
    """The machine's first volatile CXL device; a machine that says it has CXL has one."""
    found = [one for one in cxl.memdevs() if one.ram_size]
    assert found, f"no volatile CXL device among {cxl.memdevs()}"
    return found[0]


@requirement("CXL-01")
def test_serial_number_is_that_of_the_device(memdev: cxl.Memdev) -> None:
    assert memdev.serial == Function(memdev.pci_address).serial()


@requirement("CXL-01")
def test_capacity_is_volatile_and_that_of_the_device(memdev: cxl.Memdev) -> None:
    ranges = Function(memdev.pci_address).memory_ranges()
    assert memdev.ram_size > 0
    assert (memdev.ram_size, memdev.pmem_size) == (sum(ranges), 0), f"ranges of the device: {ranges}"


@requirement("CXL-01")
def test_root_decoders_are_the_windows_of_the_firmware() -> None:
    told = {
        (window.start, window.size, window.ways, window.volatile) for window in windows(CEDT.read_bytes())
    }
    roots = cxl.root_decoders()
    found = {(one.start, one.size, one.interleave_ways, one.cap_ram) for one in roots}
    assert found == told, f"(start, size, ways, volatile): sysfs {found}, CEDT {told}"
    assert any(one.cap_ram for one in roots), "no window for volatile memory"


@requirement("CXL-01")
def test_decoders_from_the_root_to_the_device(memdev: cxl.Memdev) -> None:
    endpoint = cxl.endpoint_decoder(memdev)
    assert endpoint.memdev == memdev
    ports = []
    place = endpoint.path.resolve().parent
    while place.name and not place.name.startswith("platform"):
        ports.append(place.name)
        place = place.parent
    kinds = [name.rstrip("0123456789") for name in ports]
    chain = kinds[: kinds.index("root") + 1]
    assert chain[0] == "endpoint", f"{endpoint.name} is below {ports}"
    assert chain[1:-1], f"no port between device and root: {ports}"
    assert set(chain[1:-1]) == {"port"}, f"{ports}"
    for name in ports[1 : len(chain) - 1]:
        switch = [one for one in cxl.decoders("switch") if one.port == name]
        assert switch, f"{name} has no decoder"


@requirement("CXL-01")
def test_nothing_decodes_before_a_region_is_made(memdev: cxl.Memdev) -> None:
    endpoints = [one for one in cxl.decoders("endpoint") if one.memdev == memdev]
    assert endpoints
    assert {(one.dpa_size, one.region, one.size) for one in endpoints} == {(0, None, 0)}
    assert cxl.regions() == []


@requirement("CXL-01")
def test_device_is_bound_to_its_driver(memdev: cxl.Memdev) -> None:
    assert (memdev.path / "driver").resolve().name == "cxl_mem"
    assert paths.read_text(memdev.path / "firmware_version")

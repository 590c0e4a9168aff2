# SPDX-License-Identifier: GPL-2.0-only
"""CXL-06: a device is removed from its bus and found again, with its node out of use and in use."""

from collections.abc import Callable, Iterator

import pytest

from fixtures.bench import Bench
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode
from fixtures.requirement import requirement
from fixtures.selection import disruptive, topology
from helpers import cxl, paths
from helpers.constants import Mode
from helpers.nodes import Node, has_private_memory
from helpers.outcome import OK, outcome
from helpers.testmod import Ops
from helpers.wait import wait_until
from selftests.cxl.region import of_node
from selftests.oracle import placed

pytestmark = [topology("cxl"), disruptive]
PAGES = 16
#: Seconds for a device to be probed anew, with its decoders.
PROBED = 20


def found(serial: int) -> cxl.Memdev | None:
    """The device with this serial number, once it has decoders: removed and found again its name may be
    another one."""
    for one in cxl.memdevs():
        if one.serial == serial and any(decoder.memdev == one for decoder in cxl.decoders("endpoint")):
            return one
    return None


def rescan(serial: int) -> cxl.Memdev:
    """Have the PCI buses looked through, and wait for the device."""
    paths.write_text(paths.SYS / "bus/pci/rescan", 1)
    device = wait_until(lambda: found(serial), PROBED, f"the device with serial number {serial:#x}")
    assert device is not None
    return device


@pytest.fixture
def memdev(bench: Bench) -> Iterator[cxl.Memdev]:
    """The machine's first volatile device. It is there again afterwards, without a region of ours."""
    device = next(one for one in cxl.memdevs() if one.ram_size)
    serial = device.serial
    yield device
    bench.release()
    for region in cxl.regions():
        outcome(region.destroy)
    rescan(serial)


@pytest.fixture
def remove() -> Callable[[cxl.Memdev], str]:
    """`remove(memdev) -> outcome`: out of the list of PCI devices, as before it is pulled."""
    return lambda memdev: outcome(
        paths.write_text, paths.SYS / "bus/pci/devices" / memdev.pci_address / "remove", 1
    )


@requirement("CXL-06")
def test_removed_and_found_again_it_makes_the_same_region(
    bench: Bench, memdev: cxl.Memdev, remove: Callable[[cxl.Memdev], str]
) -> None:
    before = (bench.claim()[0].nid, bench.claim()[0].start, bench.claim()[0].size)
    serial = memdev.serial
    bench.release()
    assert remove(memdev) == OK
    assert serial not in [one.serial for one in cxl.memdevs()]
    assert has_private_memory() == set()
    assert rescan(serial).ram_size
    again = bench.claim()[0]
    assert (again.nid, again.start, again.size) == before
    assert again.plug().nid in has_private_memory()


@requirement("CXL-06")
def test_removed_with_the_node_in_use(
    open_node: OpenNode,
    memdev: cxl.Memdev,
    remove: Callable[[cxl.Memdev], str],
    anon: AnonFactory,
    ordinary_node: Node,
) -> None:
    """What is on the device may be lost with it; the kernel and everything else goes on."""
    node = open_node(Ops.MIGRATION | Ops.MEMPOLICY)
    assert memdev in [target.memdev for target in of_node(node.nid).targets]
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    control = placed(anon(PAGES), ordinary_node.nid)
    control.touch(2)
    serial = memdev.serial
    result = remove(memdev)
    control.verify(2)
    if result != OK or serial in [one.serial for one in cxl.memdevs()]:
        memory.verify()
    memory.close()
    rescan(serial)

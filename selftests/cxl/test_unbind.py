# SPDX-License-Identifier: GPL-2.0-only
"""CXL-06: the driver of a device goes, with its node out of use and in use."""

from collections.abc import Iterator

import pytest

from fixtures.bench import Bench
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode
from fixtures.requirement import requirement
from fixtures.selection import disruptive, topology
from helpers import cxl, paths
from helpers.constants import Mode
from helpers.nodes import Node, has_private_memory
from helpers.outcome import outcome
from helpers.testmod import Ops
from helpers.wait import wait_until
from selftests.cxl.region import of_node
from selftests.oracle import placed

pytestmark = [topology("cxl"), disruptive]
DRIVER = paths.SYS / "bus/cxl/drivers/cxl_mem"
PAGES = 16


def rebind(memdev: cxl.Memdev) -> None:
    """A device that has lost its port is detached by a work item. Until that begins the driver refuses the
    device (EBUSY), and one that is bound before it ends is detached again: bus/cxl/flush waits for it."""
    if paths.driver(memdev.path) is None:
        paths.write_text(paths.SYS / "bus/cxl/flush", 1)
        cxl.write(DRIVER / "bind", memdev.name)
    wait_until(
        lambda: any(one.memdev == memdev for one in cxl.decoders("endpoint")),
        10,
        f"decoders of {memdev.name}",
    )


@pytest.fixture
def memdev(bench: Bench) -> Iterator[cxl.Memdev]:
    """The machine's first volatile device. It has its driver again afterwards, and no region of ours."""
    found = next(one for one in cxl.memdevs() if one.ram_size)
    yield found
    bench.release()
    for region in cxl.regions():
        outcome(region.destroy)
    rebind(found)


def unbind(memdev: cxl.Memdev) -> str:
    return outcome(cxl.write, DRIVER / "unbind", memdev.name)


@requirement("CXL-06")
def test_unbound_and_bound_again_it_makes_the_same_region(bench: Bench, memdev: cxl.Memdev) -> None:
    before = (bench.claim()[0].nid, bench.claim()[0].start, bench.claim()[0].size)
    bench.release()
    assert unbind(memdev) == "ok"
    assert not [one for one in cxl.decoders("endpoint") if one.memdev == memdev]
    assert has_private_memory() == set()
    rebind(memdev)
    again = bench.claim()[0]
    assert (again.nid, again.start, again.size) == before
    assert again.plug().nid in has_private_memory()


@requirement("CXL-06")
def test_unbound_with_the_node_in_use(
    open_node: OpenNode, memdev: cxl.Memdev, anon: AnonFactory, ordinary_node: Node
) -> None:
    """What is on the device may be lost with it; the kernel and everything else goes on."""
    node = open_node(Ops.MIGRATION | Ops.MEMPOLICY)
    assert memdev in [target.memdev for target in of_node(node.nid).targets]
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    control = placed(anon(PAGES), ordinary_node.nid)
    control.touch(2)
    result = unbind(memdev)
    control.verify(2)
    if result != "ok":
        assert cxl.regions(), f"unbinding failed with {result}, and the region is gone"
        memory.verify()
    memory.close()

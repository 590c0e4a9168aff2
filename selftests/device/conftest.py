# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the chapter: a closed node in either zone, and the test module's device on it."""

from collections.abc import Callable

import pytest

from fixtures.bench import Bench
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.testmod import Callbacks, OnlineType, Ops, TestModule

#: `device(node, pages, *, shared=True) -> Mapping`
DeviceFactory = Callable[..., Mapping]


def reserve(node: PrivateNode) -> int:
    """Pages below the min watermark, not for ordinary requests; rounded up to 16 as by fill()."""
    below = sum(zone.watermarks.min + zone.watermarks.boost for zone in node.node.zones())
    return -(-below // 16) * 16


# Once a module, so that the tests of a zone run together: changing it replugs the node.
@pytest.fixture(scope="module", params=[OnlineType.MOVABLE, OnlineType.KERNEL], ids=["movable", "kernel"])
def zone(request: pytest.FixtureRequest) -> OnlineType:
    """The zone that the node's memory is online in."""
    return request.param


@pytest.fixture
def node(bench: Bench, zone: OnlineType, open_node: OpenNode) -> PrivateNode:
    """P, closed: registered without ops. (open_node is named for its plug of an earlier test to be kept.)"""
    return bench.node(0, online=zone)


@pytest.fixture
def counting_node(open_node: OpenNode) -> PrivateNode:
    """P, closed by flags 0, with free_folio, which counts what comes back and keeps nothing."""
    return open_node(Ops.NONE, callbacks=Callbacks.FREE_FOLIO)


@pytest.fixture
def device(mod: TestModule, device_memory: AnonFactory) -> DeviceFactory:
    """`device(node, pages, *, shared=True)`: make the test's descriptor a device of that size on the node
    and map all of it. Unmapped with the test; nothing is touched."""

    def make(node: PrivateNode, pages: int, *, shared: bool = True) -> Mapping:
        mod.device(node.nid, pages * PAGE_SIZE)
        return device_memory(pages, shared=shared)

    return make

# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of chapter ISO: the worlds an exclusion has to hold in, and shortage of ordinary memory."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from fixtures.cgroups import CpusetFactory
from fixtures.nodes import OpenNode, PrivateNode
from helpers.cgroup import find_v2
from helpers.nodes import Node
from helpers.testmod import OnlineType, TestModule
from selftests.isolation.world import OPEN, World, fill_nearest

WorldBuilder = Callable[["Setting"], World]


@dataclass(frozen=True)
class Setting:
    """Zone P is online in, whether it is open for policies, whether the kernel's cpuset checks are on."""

    zone: OnlineType
    opened: bool
    key: bool

    def __str__(self) -> str:
        zone = "movable" if self.zone is OnlineType.MOVABLE else "kernel"
        return f"{zone}-{'open' if self.opened else 'closed'}-{'key_on' if self.key else 'key_off'}"


MOVABLE, KERNEL = OnlineType.MOVABLE, OnlineType.KERNEL
#: Each pair of values occurs. Movable ones first, so that P is plugged again twice a module only.
PAIRWISE = (
    Setting(MOVABLE, opened=False, key=False),
    Setting(MOVABLE, opened=True, key=True),
    Setting(KERNEL, opened=False, key=True),
    Setting(KERNEL, opened=True, key=False),
)
EVERY = tuple(
    Setting(zone, opened, key)
    for zone in (MOVABLE, KERNEL)
    for opened in (False, True)
    for key in (False, True)
)


@pytest.fixture(scope="module", params=PAIRWISE, ids=str)
def setting(request: pytest.FixtureRequest) -> Setting:
    """Zone, state and cpusets key. Module scope makes pytest group the tests by it."""
    chosen: Setting = request.param
    return chosen


@pytest.fixture(scope="module", params=EVERY, ids=str)
def every_setting(request: pytest.FixtureRequest) -> Setting:
    """All eight, for the tests that cost little and tell much."""
    chosen: Setting = request.param
    return chosen


@pytest.fixture(scope="module", params=[one for one in EVERY if one.zone is KERNEL], ids=str)
def kernel_setting(request: pytest.FixtureRequest) -> Setting:
    """The four in which P is online in the kernel zone: objects of the kernel could be there."""
    chosen: Setting = request.param
    return chosen


@pytest.fixture
def kernel_node(kernel_setting: Setting, build_world: WorldBuilder) -> PrivateNode:
    """P online in the kernel zone, closed or open for policies, with the cpusets key off and on."""
    return build_world(kernel_setting).node


@pytest.fixture
def world(setting: Setting, build_world: WorldBuilder) -> World:
    """P as the setting wants it, and what to ask of it."""
    return build_world(setting)


@pytest.fixture
def every_world(every_setting: Setting, build_world: WorldBuilder) -> World:
    """P in every setting."""
    return build_world(every_setting)


@pytest.fixture
def build_world(
    testmod: TestModule, open_node: OpenNode, cpuset: CpusetFactory, request: pytest.FixtureRequest
) -> WorldBuilder:
    """`build_world(setting)`: plugs P, opens it, and makes a child cpuset, which turns the kernel's cpuset
    checks on (static key cpusets_enabled_key): the allocator takes another branch then."""

    def build(wanted: Setting) -> World:
        root = find_v2()
        if wanted.key:
            cpuset()
        elif root is not None and any(root.glob("*/**/cpuset.mems")):
            pytest.skip("this machine has child cpusets, the key cannot be off")
        movable = wanted.zone is MOVABLE
        ordinary = request.getfixturevalue("ordinary_nodes" if movable else "kernel_ordinary_nodes")
        if wanted.opened:
            return World(open_node(OPEN, online=wanted.zone), testmod.gfp, ordinary)
        node = request.getfixturevalue("closed_node" if movable else "closed_kernel_node")
        return World(node, testmod.gfp, ordinary)

    return build


@pytest.fixture(params=["closed", "open"])
def state(request: pytest.FixtureRequest) -> str:
    """P closed, or open for policies: that opens no other way in."""
    name: str = request.param
    return name


@pytest.fixture
def private(state: str, open_node: OpenNode, closed_node: PrivateNode) -> PrivateNode:
    """P online movable, closed or open, for tests from user space."""
    return open_node(OPEN) if state == "open" else closed_node


@pytest.fixture
def far_ordinary(ordinary_nodes: list[Node]) -> Node:
    """The ordinary node farthest from the test's CPU: getting pages there shows that a node was honoured."""
    return ordinary_nodes[-1]


@pytest.fixture
def short_of_memory(request: pytest.FixtureRequest, mod: TestModule, ordinary_nodes: list[Node]) -> Node:
    """D, with nothing left for ordinary requests (for those of the test's world): they have to go elsewhere.
    Given back with the test.

    The other ordinary nodes have room, and a private node is nearer to D than some of them. Taken by the
    module in large blocks, because that takes no time; what is below the min watermark is left to the kernel.
    """
    asks = "world" in request.fixturenames
    return fill_nearest(mod, request.getfixturevalue("world").ordinary if asks else ordinary_nodes)

# SPDX-License-Identifier: GPL-2.0-only
"""HPL-05a: what a machine does with new memory by default (auto_online_blocks, memhp_default_state) is about
memory for everybody."""

from pathlib import Path

import pytest

from fixtures.knobs import KnobSetter
from fixtures.nodes import PrivateRange
from fixtures.requirement import requirement
from helpers.memory import PAGE_SIZE
from helpers.testmod import Kind, OnlineType, TestModule
from selftests.hotplug.standing import ORDINARY, PRIVATE, REGISTERED, ZONES, standing, zones_with_memory

DEFAULT = Path("/sys/devices/system/memory/auto_online_blocks")


@pytest.fixture(params=["online", "online_kernel", "online_movable"])
def default(request: pytest.FixtureRequest, knob: KnobSetter) -> str:
    """New memory goes online by itself."""
    knob(str(DEFAULT), request.param)
    return str(request.param)


@requirement("HPL-05a")
def test_private_memory_waits_for_its_owner(
    unplugged: PrivateRange, mod: TestModule, knob: KnobSetter, default: str
) -> None:
    node = unplugged.plug(2 * unplugged.block, online=OnlineType.OFFLINE)
    assert [block.state for block in node.blocks()] == ["offline", "offline"], f"default {default}"
    assert standing(mod, node.nid) == REGISTERED
    node.unplug()
    knob(str(DEFAULT), "online_movable")  # so that nothing moves in that cannot leave
    control = unplugged.plug(online=OnlineType.OFFLINE, kind=Kind.ORDINARY)
    assert [block.state for block in control.blocks()] == ["online"], "the control: ordinary memory"
    assert standing(mod, control.nid) == ORDINARY


@requirement("HPL-05a")
@pytest.mark.parametrize(("online", "zone"), ZONES.items(), ids=["movable", "kernel"])
def test_the_owner_has_the_last_word(
    unplugged: PrivateRange, mod: TestModule, default: str, online: OnlineType, zone: str
) -> None:
    node = unplugged.plug(online=online)
    assert standing(mod, node.nid) == PRIVATE
    assert zones_with_memory(mod, node.nid) == {zone: node.size // PAGE_SIZE}, f"default {default}"

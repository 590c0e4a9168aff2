# SPDX-License-Identifier: GPL-2.0-only
"""SVC-02, SVC-02b, SVC-03: two private nodes of a lower tier, the nearer of which takes nothing."""

import errno

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.tiers import ColdFactory, LowerNode
from helpers.testmod import Callback, Callbacks, Mode, Ops
from selftests.services.test_demotion import half_on

Targets = tuple[PrivateNode, PrivateNode]


@pytest.fixture
def targets(lower_node: LowerNode, second_lower_node: LowerNode, cold: ColdFactory) -> Targets:
    """Both, the one that is demoted to as long as it takes something first."""
    nodes = [plug(Ops.DEMOTION, callbacks=Callbacks.MIGRATE_TO) for plug in (lower_node, second_lower_node)]
    found = cold().reclaim(lambda found: any(found.any_on(node.nid) for node in nodes))
    near, far = sorted(nodes, key=lambda node: -found.counts[node.nid])
    assert found.any_on(near.nid), f"the control: {found}"
    return near, far


@requirement("SVC-02")
def test_blocked_takes_nothing(targets: Targets, cold: ColdFactory) -> None:
    """Pages stay, or go to the other one."""
    near, far = targets
    near.mod.block(near.nid, True)
    before = near.free_pages()
    memory = cold()
    found = memory.reclaim(half_on(far.nid, memory))
    assert found.present == memory.pages, f"{near} is blocked: {found}"
    assert not found.any_on(near.nid), f"{near} is blocked: {found}"
    assert near.free_pages() >= before, f"{near}: {before - near.free_pages()} pages less"
    memory.verify()


@requirement("SVC-02b")
def test_the_next_one_takes_what_a_blocked_one_does_not(targets: Targets, cold: ColdFactory) -> None:
    near, far = targets
    near.mod.block(near.nid, True)
    memory = cold()
    found = memory.reclaim(half_on(far.nid, memory))
    assert found.counts[far.nid] > memory.pages // 2, f"{near} is blocked, {far}: {found}"
    memory.verify()


@requirement("SVC-03")
def test_the_next_one_takes_what_is_refused(targets: Targets, cold: ColdFactory) -> None:
    near, far = targets
    near.program(Callback.MIGRATE_TO, Mode.ERRNO, errno.EBUSY)
    before = near.free_pages()
    memory = cold()
    found = memory.reclaim(half_on(far.nid, memory))
    assert found.counts[far.nid] > memory.pages // 2, f"{near} takes nothing, {far}: {found}"
    assert not found.any_on(near.nid), f"{near} takes nothing: {found}"
    assert near.free_pages() >= before, f"{near}: {before - near.free_pages()} pages less"
    memory.verify()

# SPDX-License-Identifier: GPL-2.0-only
"""CBK-08: no teardown under a running migrate_to; CBK-08a: nor a change of the ops."""

from collections.abc import Callable

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import Child, ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core, every_cpu
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.outcome import outcome
from helpers.residency import residency
from helpers.testmod import Callback, Ops
from helpers.testmod import Mode as Does
from helpers.wait import wait_until
from selftests.callbacks.putting import OPEN, PAGES
from selftests.oracle import placed

pytestmark = every_cpu

STAY = 1000  # milliseconds that the callback takes

ENDS: dict[str, Callable[[PrivateNode], object]] = {
    "clear_ops": lambda node: node.clear_ops(),
    "set_ops": lambda node: node.set_ops(Ops.NONE, obj=3),
    "unplug": lambda node: node.unplug(),
}
by_change = pytest.mark.parametrize("change", ["clear_ops", "set_ops"])


def moving(node: PrivateNode, home: int) -> tuple[str, bool]:
    """For a child: a move of some pages to the node; what came of it, and whether they are there."""
    with Mapping.anonymous(PAGES) as memory:
        placed(memory, home)
        result = outcome(syscalls.move_pages, 0, memory.addrs(), [node.nid] * PAGES, MPOL_MF_MOVE)
        memory.verify()
        where = residency(memory)
        assert not where.absent, where
        return result, where.all_on(node.nid)


def finished(node: PrivateNode) -> int:
    """Calls of migrate_to that have come to their end."""
    return node.counters().calls[Callback.MIGRATE_TO]


@pytest.fixture
def busy(open_node: OpenNode, ordinary_node: Node, child: ChildFactory) -> tuple[PrivateNode, Child]:
    """P while a migrate_to runs on it, and the task that waits for it."""
    node = open_node(OPEN)
    node.reset_counters()
    node.program(Callback.MIGRATE_TO, Does.DELAY, value=STAY, times=1)
    worker = child.start(moving, node, ordinary_node.nid)
    wait_until(lambda: node.events(Callback.MIGRATE_FOLIO), 10, "migrate_to to be called")
    assert finished(node) == 0, "it has come to its end already"
    return node, worker


@requirement("CBK-08")
@core
def test_waits_for_a_running_call(busy: tuple[PrivateNode, Child]) -> None:
    node, worker = busy
    node.unplug()
    assert finished(node) == 1, "the unplug came back while the callback was running"
    worker.finish()


@requirement("CBK-08a")
@by_change
def test_a_change_waits_for_a_running_call(busy: tuple[PrivateNode, Child], change: str) -> None:
    """And the call does its work."""
    node, worker = busy
    ENDS[change](node)
    assert finished(node) == 1, f"{change} came back while the callback was running"
    assert worker.finish() == ("ok", True)


@requirement("CBK-08")
@core
@pytest.mark.parametrize("end", ENDS)
def test_no_migration_to_the_node_afterwards(
    busy: tuple[PrivateNode, Child], ordinary_node: Node, anon: AnonFactory, end: str
) -> None:
    node, worker = busy
    ENDS[end](node)
    memory = placed(anon(PAGES), ordinary_node.nid)
    seen = outcome(syscalls.move_pages, 0, memory.addrs(), [node.nid] * PAGES, MPOL_MF_MOVE)
    assert seen == "ENODEV"
    assert residency(memory).all_on(ordinary_node.nid)
    memory.verify()
    worker.finish()
    assert finished(node) == 1, "the callback was called again"


@requirement("CBK-08")
def test_a_refused_end_leaves_it_running(busy: tuple[PrivateNode, Child]) -> None:
    node, worker = busy
    assert outcome(node.mod.unregister, node.nid) == "EBUSY"
    assert outcome(node.clear_ops, obj=1) == "EINVAL"
    assert node.state().ops_flags == OPEN
    assert worker.finish() == ("ok", True)
    assert finished(node) == 1


@pytest.fixture
def twice_busy(
    busy: tuple[PrivateNode, Child], ordinary_node: Node, child: ChildFactory
) -> tuple[PrivateNode, list[Child]]:
    """P while two of them run."""
    node, worker = busy
    node.program(Callback.MIGRATE_TO, Does.DELAY, value=2 * STAY, times=1)
    second = child.start(moving, node, ordinary_node.nid)
    wait_until(lambda: node.events(Callback.MIGRATE_FOLIO), 10, "a second call")
    return node, [worker, second]


@requirement("CBK-08")
def test_two_at_a_time_are_both_waited_for(twice_busy: tuple[PrivateNode, list[Child]]) -> None:
    node, workers = twice_busy
    node.unplug()
    assert finished(node) == 2, "the unplug came back under a callback"
    for one in workers:
        one.finish()


@requirement("CBK-08a")
def test_a_change_waits_for_both(twice_busy: tuple[PrivateNode, list[Child]]) -> None:
    node, workers = twice_busy
    node.clear_ops()
    assert finished(node) == 2, "clear_ops came back under a callback"
    assert [one.finish() for one in workers] == [("ok", True)] * 2

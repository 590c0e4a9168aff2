# SPDX-License-Identifier: GPL-2.0-only
"""HPL-09: unplugging a closed node in use. It never succeeds, and harms nobody."""

import signal

import pytest

from fixtures.invariants import allow_splat
from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import every_cpu
from fixtures.testmod import AllocFactory
from helpers import kmsg
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import Entry, Ops, TestModule
from selftests.hotplug.standing import PRIVATE, snapshot, standing

# What is to be unplugged may be on the lists of any CPU.
pytestmark = [pytest.mark.disruptive, every_cpu]

PAGES = 32
PATIENCE = 3.0  # seconds until the unplug is signalled
#: The series does not say in which file: where memory is offlined, or where nodes and their blocks are kept.
WARNING = kmsg.warning_at(r"(mm|drivers/base)/\S+")


def try_unplug(node: PrivateNode) -> str:
    """Outcome of an unplug, which is signalled when it takes too long. The timer may be the test's deadline:
    it is put back."""
    handler = signal.signal(signal.SIGALRM, lambda *_: None)
    left = signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        return outcome(node.mod.unplug, node.nid, node.start, node.size)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)
        signal.signal(signal.SIGALRM, handler)


def by_policy(open_node: OpenNode, anon: AnonFactory) -> tuple[PrivateNode, Mapping]:
    """Pages that came by a policy, before the node was closed."""
    node = open_node(Ops.MIGRATION | Ops.MEMPOLICY)
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch(full=True)
    node.clear_ops()
    return node, memory


@pytest.fixture(params=["policy", "device"])
def node_in_use(
    request: pytest.FixtureRequest, open_node: OpenNode, mod: TestModule, anon: AnonFactory
) -> tuple[PrivateNode, Mapping]:
    """A closed node, and memory of this process that is on it."""
    if request.param == "policy":
        node, memory = by_policy(open_node, anon)
    else:
        node = request.getfixturevalue("closed_node")
        mod.device(node.nid, PAGES * PAGE_SIZE)
        memory = request.getfixturevalue("device_memory")(PAGES)
        memory.touch(full=True)
    assert residency(memory).all_on(node.nid), residency(memory)
    return node, memory


@allow_splat(WARNING, reason="v4 announces an impossible unplug by one WARN")
@requirement("HPL-09")
def test_never_succeeds_and_loses_nothing(
    node_in_use: tuple[PrivateNode, Mapping], testmod: TestModule, child: ChildFactory
) -> None:
    node, memory = node_in_use
    frames, before = residency(memory).frames, snapshot(testmod, node.nid)
    assert child(try_unplug, node) != OK
    assert residency(memory).frames == frames
    memory.verify(full=True)
    assert snapshot(testmod, node.nid) == before


@allow_splat(WARNING, reason="v4 announces an impossible unplug by one WARN")
@requirement("HPL-09")
def test_warns_once_at_most(
    node_in_use: tuple[PrivateNode, Mapping], testmod: TestModule, child: ChildFactory
) -> None:
    node, _memory = node_in_use
    with kmsg.KernelLog.tail() as log:
        outcomes = [child(try_unplug, node) for _again in range(2)]
        splats = kmsg.splats(log.read())
    assert OK not in outcomes
    assert len(splats) <= 1, [str(splat) for splat in splats]
    assert standing(testmod, node.nid) == PRIVATE


@allow_splat(WARNING, reason="v4 announces an impossible unplug by one WARN")
@requirement("HPL-09")
def test_works_on_and_goes_when_it_is_free(
    node_in_use: tuple[PrivateNode, Mapping], mod: TestModule, child: ChildFactory, alloc: AllocFactory
) -> None:
    node, memory = node_in_use
    assert child(try_unplug, node) != OK
    taken = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE)
    assert taken is not None
    assert taken.nid == node.nid
    taken.free()
    memory.close()
    assert node.unplug() == 0, "the control: nobody uses it any more"


@allow_splat(WARNING, reason="v4 announces an impossible unplug by one WARN")
@requirement("HPL-09a")
def test_is_refused_at_once(node_in_use: tuple[PrivateNode, Mapping], child: ChildFactory) -> None:
    node, _memory = node_in_use
    seen = child(try_unplug, node)
    assert seen not in (OK, "EINTR"), f"{seen}: it went on until it was signalled after {PATIENCE:g} s"

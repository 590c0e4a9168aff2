# SPDX-License-Identifier: GPL-2.0-only
"""MPL-15: a task that is bound to P and takes more than P has: it ends, it alone."""

import pytest

from fixtures.invariants import oom_expected
from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import Mode
from helpers.nodes import Node
from helpers.testmod import TestModule
from selftests.mempolicy.crowd import ENDS, bystanders, end_of, greedy, greedy_shared, page_cache_kept
from selftests.mempolicy.placing import HUGE, fault
from selftests.mempolicy.shared import KINDS

ROOM = 512  # pages
by_policy = pytest.mark.parametrize("by", ["mbind", "set_mempolicy"])
KILLED = tuple(one.name for one in ENDS)


@requirement("MPL-15")
@oom_expected
@by_policy
@pytest.mark.parametrize("kind", [pytest.param("base", marks=core), "huge"])
def test_who_takes_too_much_ends_alone(
    p: PrivateNode, anon: AnonFactory, child: ChildFactory, by: str, kind: str
) -> None:
    count = anon(1, shared=True)
    with bystanders(child, p), p.fill(leave=4 * ROOM):
        room = p.free_pages()
        end = end_of(child.start(greedy, by, p.nid, 16 * ROOM, kind == "huge", count))
        touched = count.view.cast("Q")[0]
    assert end in KILLED or end.startswith("errno"), f"{touched} pages, then {end}"
    assert touched <= room + (HUGE if kind == "huge" else 0), f"{touched} pages on a node with {room} free"


@requirement("MPL-15")
@oom_expected
@by_policy
def test_two_private_nodes_overfilled(
    p: PrivateNode, q: PrivateNode, anon: AnonFactory, mod: TestModule, child: ChildFactory, by: str
) -> None:
    """Only those of P: a task on Q goes on."""
    count = anon(1, shared=True)
    with bystanders(child, q), p.fill(leave=ROOM):
        end = end_of(child.start(greedy, by, p.nid, 4 * ROOM, False, count))
        where = child(fault, mod, by, Mode.BIND, [q.nid])
    assert end in KILLED or end.startswith("errno"), f"{count.view.cast('Q')[0]} pages, then {end}"
    assert where.all_on(q.nid), f"Q while P is full: {where}"


@requirement("MPL-13", "MPL-15")
@oom_expected
@pytest.mark.parametrize("kind", KINDS)
def test_more_than_the_node_has(p: PrivateNode, anon: AnonFactory, child: ChildFactory, kind: str) -> None:
    """Who touches it is killed or fails, in bounded time, or the range was refused; nobody else dies."""
    count = anon(1, shared=True)
    with bystanders(child, p), KINDS[kind](4 * ROOM) as memory, p.fill(leave=ROOM):
        room = p.free_pages()
        end = end_of(child.start(greedy_shared, memory, p.nid, count))
        touched = count.view.cast("Q")[0]
    assert end in (*KILLED, "refused") or end.startswith("errno"), f"{touched} pages, then {end}"
    assert touched <= room, f"{touched} pages touched of a node with {room} free"


@requirement("MPL-15")
@oom_expected
@by_policy
def test_whole_node(
    p: PrivateNode, ordinary_node: Node, anon: AnonFactory, mod: TestModule, child: ChildFactory, by: str
) -> None:
    """Twice what P has, and D gives up nothing for it; then all of P is free again, for the next one."""
    count, managed = anon(1, shared=True), p.managed_pages()
    with bystanders(child, p), page_cache_kept(ordinary_node.nid):
        end = end_of(child.start(greedy, by, p.nid, 2 * managed, True, count))
        touched = count.view.cast("Q")[0]
    assert end in KILLED, f"{touched} pages, then {end}"
    assert touched <= managed, f"{touched} pages touched of a node with {managed}"
    where = child(fault, mod, by, Mode.BIND, [p.nid])
    assert where.all_on(p.nid), f"afterwards: {where}"

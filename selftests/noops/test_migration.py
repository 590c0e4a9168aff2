# SPDX-License-Identifier: GPL-2.0-only
"""NOP-03 and NOP-04: migration by user space, to the closed P and from it."""

import errno
import os

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.outcome import errno_name
from helpers.residency import residency
from selftests.noops.pages import Frozen, OnNode


def move(memory: Mapping, nid: int | None, flags: int = MPOL_MF_MOVE) -> set[str]:
    """What move_pages() says of the pages, errno names or "node 2"; of the call, if that fails as a whole."""
    nodes = None if nid is None else [nid] * memory.pages
    try:
        found = syscalls.move_pages(0, memory.addrs(), nodes, flags)
    except OSError as error:
        return {errno_name(error.errno or 0)}
    return {f"node {status}" if status >= 0 else errno_name(-status) for status in found}


def migrate(old: list[int], new: list[int]) -> str:
    """The result of migrate_pages() on this process."""
    try:
        return f"{syscalls.migrate_pages(os.getpid(), old, new)} not moved"
    except OSError as error:
        return errno_name(error.errno or 0)


@requirement("NOP-03")
@pytest.mark.core
@pytest.mark.parametrize("flags", [MPOL_MF_MOVE, MPOL_MF_MOVE_ALL], ids=["move", "move-all"])
def test_move_pages_to_the_node(
    provisioned_closed_node: PrivateNode, anon_on: OnNode, ordinary_nodes: list[Node], flags: int
) -> None:
    near, far = ordinary_nodes[0].nid, ordinary_nodes[-1].nid
    memory = anon_on(near, 8)
    stay = Frozen(memory)
    answer = move(memory, provisioned_closed_node.nid, flags)
    stay.check(f"move_pages to {provisioned_closed_node}: {answer}")
    assert answer == {"ENODEV"}, f"{answer}"
    assert move(memory, far, flags) == {f"node {far}"}, "the control: to an ordinary node"
    assert residency(memory).all_on(far), f"{residency(memory)}"


@requirement("NOP-03")
def test_move_pages_of_shared_memory_to_the_node(
    provisioned_closed_node: PrivateNode, anon: AnonFactory, ordinary_nodes: list[Node]
) -> None:
    memory = anon(16, shared=True)
    memory.touch()
    stay = Frozen(memory)
    answer = move(memory, provisioned_closed_node.nid)
    stay.check(f"move_pages to {provisioned_closed_node}: {answer}")
    assert answer == {"ENODEV"}, f"{answer}"
    assert move(memory, ordinary_nodes[-1].nid) == {f"node {ordinary_nodes[-1].nid}"}


@requirement("NOP-03")
def test_move_pages_of_a_mixed_list_to_the_node(
    provisioned_closed_node: PrivateNode, anon_on: OnNode, ordinary_nodes: list[Node]
) -> None:
    """Half of the pages are asked to P: none arrives there."""
    near, far = ordinary_nodes[0].nid, ordinary_nodes[-1].nid
    memory = anon_on(near, 16)
    targets = [far, provisioned_closed_node.nid] * 8
    with pytest.raises(OSError, match="move_pages") as refused:
        syscalls.move_pages(0, memory.addrs(), targets, MPOL_MF_MOVE)
    assert refused.value.errno == errno.ENODEV, f"{refused.value}"
    found = residency(memory)
    assert set(found.counts) <= {near, far}, f"{found}"
    assert found.counts[near] >= 8, f"pages asked to P are elsewhere: {found}"
    memory.verify()


@requirement("NOP-03")
@pytest.mark.core
def test_move_pages_query(held: Mapping, twin: OnNode, ordinary_node: Node) -> None:
    stay = Frozen(held)
    assert move(held, None) == {"ENOENT"}, f"asked for pages on P: {move(held, None)}"
    stay.check("after a query")
    control = twin(ordinary_node.nid)
    assert move(control, None) == {f"node {ordinary_node.nid}"}, f"the control: {move(control, None)}"


@requirement("NOP-03")
@pytest.mark.parametrize("flags", [MPOL_MF_MOVE, MPOL_MF_MOVE_ALL], ids=["move", "move-all"])
def test_move_pages_from_the_node(held: Mapping, ordinary_nodes: list[Node], flags: int) -> None:
    stay = Frozen(held)
    for node in ordinary_nodes:
        answer = move(held, node.nid, flags)
        assert answer == {"ENOENT"}, f"to {node}: {answer}"
        stay.check(f"move_pages from P to {node}")


@requirement("NOP-04")
def test_migrate_pages_to_the_node(
    provisioned_closed_node: PrivateNode, anon_on: OnNode, ordinary_nodes: list[Node]
) -> None:
    near, far = ordinary_nodes[0].nid, ordinary_nodes[-1].nid
    memory = anon_on(near)
    stay = Frozen(memory)
    answer = migrate([near], [provisioned_closed_node.nid])
    stay.check(f"migrate_pages to {provisioned_closed_node}: {answer}")
    assert not answer.endswith("moved"), f"migrate_pages to {provisioned_closed_node}: {answer}"
    migrate([near], [far])
    assert residency(memory).all_on(far), f"the control, to node {far}: {residency(memory)}"


@requirement("NOP-04")
def test_migrate_pages_to_the_node_and_another(
    provisioned_closed_node: PrivateNode, anon_on: OnNode, ordinary_nodes: list[Node]
) -> None:
    """Whether that is refused, or the pages go to the ordinary node: none comes to P."""
    p, near, far = provisioned_closed_node.nid, ordinary_nodes[0].nid, ordinary_nodes[-1].nid
    for old, new in (([near], [p, far]), ([near, p], [far, p]), ([near, far], [p, near])):
        memory = anon_on(near)
        answer = migrate(old, new)
        found = residency(memory)
        assert found.present == memory.pages, f"migrate_pages from {old} to {new}: {answer}; {found}"
        assert set(found.counts) <= {near, far}, f"migrate_pages from {old} to {new}: {answer}; {found}"
        memory.verify()
    control = anon_on(near)
    migrate([near], [far])
    assert residency(control).all_on(far), f"the control, to node {far}: {residency(control)}"


@requirement("NOP-04a")
def test_migrate_pages_refuses_a_mask_with_the_node(
    provisioned_closed_node: PrivateNode,
    second_closed_node: PrivateNode,
    anon_on: OnNode,
    ordinary_nodes: list[Node],
) -> None:
    """The pages themselves are to go to an ordinary node, by their place in the mask; the closed one makes
    the call fail before any has."""
    near, far = ordinary_nodes[0].nid, ordinary_nodes[-1].nid
    both = (provisioned_closed_node.nid, second_closed_node.nid)
    closed = [nid for nid in both if near != far and (near < nid) == (far < nid)]
    if not closed:
        pytest.skip("needs ordinary ids that no private one lies between")
    memory = anon_on(near)
    stay = Frozen(memory)
    for nid in closed:
        answer = migrate([near, nid], [far, nid])
        stay.check(f"migrate_pages from {near, nid} to {far, nid}: {answer}")
        assert not answer.endswith("moved"), f"migrate_pages from {near, nid} to {far, nid}: {answer}"
    migrate([near], [far])
    assert residency(memory).all_on(far), f"the control, to node {far}: {residency(memory)}"


@requirement("NOP-04")
@pytest.mark.core
def test_migrate_pages_from_the_node(held: Mapping, anon_on: OnNode, ordinary_nodes: list[Node]) -> None:
    (p,) = residency(held).counts
    near, far = ordinary_nodes[0].nid, ordinary_nodes[-1].nid
    stay, control = Frozen(held), anon_on(near)
    for old in ([p], [p, near]):
        answer = migrate(old, [far])
        stay.check(f"migrate_pages from nodes {old}: {answer}")
    assert residency(control).all_on(far), f"the control, from node {near}: {residency(control)}"

# SPDX-License-Identifier: GPL-2.0-only
"""ISO-22: hugetlb pools. They take from a node whatever it has when they are told to; P is none of theirs."""

from contextlib import suppress
from pathlib import Path

import pytest

from fixtures.knobs import KnobSetter
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node, default_hugepage_size, meminfo
from helpers.residency import Residency, residency
from selftests.isolation.world import OPEN, assert_spilled, assert_untouched

POOL = 8  # huge pages


def attribute(name: str, node: Node | None = None) -> Path:
    """A file of the default pool, of the machine or of one node."""
    size = default_hugepage_size() // 1024
    if node is not None:
        return node.hugepages() / name
    return Path(f"/sys/kernel/mm/hugepages/hugepages-{size}kB/{name}")


def pool(nodes: list[Node]) -> dict[int, int]:
    """Huge pages by node."""
    return {node.nid: int(attribute("nr_hugepages", node).read_text()) for node in nodes}


def touch_huge(pages: int, bind: list[int] | None = None) -> Residency:
    """Fault hugetlb pages in, with a policy if `bind` names nodes."""
    per = default_hugepage_size() // PAGE_SIZE
    with Mapping.anonymous(pages * per, hugetlb=True) as memory:
        if bind is not None:
            memory.bind(Mode.BIND, bind)
        for index in range(0, memory.pages, per):
            memory.touch(first=index, count=1)
        return residency(memory)


@pytest.fixture(autouse=True)
def hugetlb(knob: KnobSetter) -> None:
    """The pool, empty now and again after the test."""
    if "Hugepagesize" not in meminfo():
        pytest.skip("this kernel has no hugetlb")
    knob(str(attribute("nr_hugepages")), 0)


@requirement("ISO-22")
@pytest.mark.usefixtures("short_of_memory")
def test_global_request(private: PrivateNode, knob: KnobSetter, ordinary_nodes: list[Node]) -> None:
    """D is full, so that the pages have to come from farther away than P."""
    knob(str(attribute("nr_hugepages")), POOL)
    assert sum(pool(ordinary_nodes).values()) >= POOL // 2, f"the pool is {pool(ordinary_nodes)}"
    assert_untouched(private)


@requirement("ISO-22")
def test_request_for_the_node_itself(private: PrivateNode, knob: KnobSetter, far_ordinary: Node) -> None:
    knob(str(attribute("nr_hugepages", far_ordinary)), POOL)
    assert pool([far_ordinary]) == {far_ordinary.nid: POOL}, "the control: the same request on D"
    own = attribute("nr_hugepages", private.node)
    if own.exists():
        with suppress(OSError):  # it may as well be refused
            knob(str(own), POOL)
        assert own.read_text().strip() == "0", f"{own} is {own.read_text()}"
    assert_untouched(private)


@requirement("ISO-22")
def test_request_under_a_policy_on_p(
    open_node: OpenNode, child: ChildFactory, far_ordinary: Node, ordinary_nodes: list[Node]
) -> None:
    node = open_node(OPEN)

    def grow(nid: int, pages: int) -> None:
        """In a child, whose own memory follows the policy too."""
        syscalls.set_mempolicy(Mode.BIND, [nid])
        attribute("nr_hugepages_mempolicy").write_text(str(pages))

    child(grow, far_ordinary.nid, POOL)
    assert pool(ordinary_nodes)[far_ordinary.nid] == POOL, f"the control: {pool(ordinary_nodes)}"
    with suppress(OSError):  # it may as well be refused
        child(grow, node.nid, 2 * POOL)
    assert_untouched(node)


@requirement("ISO-22")
@pytest.mark.usefixtures("short_of_memory")
def test_surplus_pages(
    private: PrivateNode, knob: KnobSetter, child: ChildFactory, ordinary_nodes: list[Node]
) -> None:
    knob(str(attribute("nr_overcommit_hugepages")), POOL)
    found = child(touch_huge, POOL // 2)
    assert found.present, f"{found}"
    assert_spilled(found, private, ordinary_nodes, "surplus huge pages")


@requirement("ISO-22")
def test_fault_under_a_policy_on_p(
    open_node: OpenNode, knob: KnobSetter, child: ChildFactory, far_ordinary: Node
) -> None:
    """The pool has no huge page on the nodes of the policy: the fault fails, or is served elsewhere."""
    node = open_node(OPEN)
    knob(str(attribute("nr_hugepages", far_ordinary)), POOL)
    knob(str(attribute("nr_overcommit_hugepages")), POOL)
    control = child(touch_huge, 2, [far_ordinary.nid])
    assert control.all_on(far_ordinary.nid) or control.any_on(far_ordinary.nid), f"the control: {control}"
    try:
        found = child(touch_huge, 2, [node.nid])
    except (ChildDied, OSError) as refused:
        found = refused
    assert not (isinstance(found, Residency) and found.any_on(node.nid)), f"on {node}: {found}"
    assert_untouched(node)

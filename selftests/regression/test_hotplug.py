# SPDX-License-Identifier: GPL-2.0-only
"""REG-11: ordinary memory is plugged, used and unplugged beside private nodes, on Q's range.

As movable memory, which can be unplugged for certain. In a kernel zone it need not: since 6.14 the stacks of
the node's own kswapd and kcompactd are there, and on a machine in use everybody else's.
"""

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode, PrivateRange, unchanged_free_pages
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import Mode
from helpers.nodes import Node, has_private_memory, node_list
from helpers.testmod import NodeFlags, TestModule
from helpers.wait import wait_until
from selftests.mempolicy.placing import HUGE, PAGES
from selftests.oracle import located

KINDS = {"base": {"pages": 256}, "huge": {"pages": 2 * HUGE, "thp": True}}


@requirement("REG-11")
@core
def test_plugged_as_ordinary_memory(
    p: PrivateNode, second_unplugged: PrivateRange, ordinary_nodes: list[Node]
) -> None:
    """Listed, with its threads, allowed to every task, in use by whoever asks; and gone without a trace."""
    before = {name: node_list(name) for name in ("has_memory", "has_normal_memory", "online")}
    node = second_unplugged.plug_ordinary()
    assert set(node_list("has_memory")) == {*before["has_memory"], node.nid}
    assert node.nid not in node_list("has_normal_memory"), "all of it is movable"
    assert node.nid not in (has_private_memory() or ())
    assert p.nid in (has_private_memory() or ())
    threads = NodeFlags.KSWAPD | NodeFlags.KCOMPACTD
    wait_until(lambda: node.state().flags & threads == threads, 5, lambda: f"{node.state().flags!r}")
    node.unplug()
    assert {name: node_list(name) for name in before} == before


@requirement("REG-11")
@core
def test_ordinary_memory_is_used(
    p: PrivateNode, second_unplugged: PrivateRange, mod: TestModule, anon: AnonFactory
) -> None:
    node = second_unplugged.plug_ordinary()
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    assert located(mod, memory).all_on(node.nid), f"{located(mod, memory)}"
    memory.verify()
    memory.close()
    node.unplug()


@requirement("REG-11")
@pytest.mark.parametrize("kind", KINDS)
def test_pages_leave_for_ordinary_nodes(
    p: PrivateNode, second_unplugged: PrivateRange, ordinary_nodes: list[Node], mod: TestModule,
    anon: AnonFactory, kind: str,
) -> None:  # fmt: skip
    """Unplugged with pages in use: they move, not to P, which is nearer than D or E."""
    node = second_unplugged.plug_ordinary()
    memory = anon(**KINDS[kind])
    memory.bind(Mode.BIND, [node.nid])
    memory.touch(full=True)
    memory.bind(Mode.DEFAULT, ())
    assert located(mod, memory).all_on(node.nid), f"to begin with: {located(mod, memory)}"
    with unchanged_free_pages(p):
        node.unplug()
    where = located(mod, memory)
    assert where.absent == 0, f"{where}"
    assert set(where.counts) <= {one.nid for one in ordinary_nodes}, f"evacuated to: {where}"
    memory.verify(full=True)


@requirement("REG-11")
@core
def test_blocks_go_offline_and_online(
    p: PrivateNode, second_unplugged: PrivateRange, mod: TestModule, anon: AnonFactory
) -> None:
    node = second_unplugged.plug_ordinary()
    (block,) = node.blocks()
    for _turn in range(2):
        block.offline()
        assert node.nid not in node_list("has_memory")
        block.online("online_movable")
        assert node.nid in node_list("has_memory")
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    assert located(mod, memory).all_on(node.nid), f"{located(mod, memory)}"
    assert p.nid in (has_private_memory() or ())
    memory.close()
    node.unplug()


@requirement("REG-11")
@core
def test_second_block_of_the_same_node(p: PrivateNode, second_unplugged: PrivateRange) -> None:
    first = second_unplugged.plug_ordinary()
    managed = first.managed_pages()
    second = second_unplugged.plug_ordinary(offset=first.size)
    assert second.managed_pages() == 2 * managed, "pages of the node"
    second.unplug()
    assert first.managed_pages() == managed
    first.unplug()
    assert first.nid not in node_list("has_memory")

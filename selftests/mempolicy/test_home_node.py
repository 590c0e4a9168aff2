# SPDX-License-Identifier: GPL-2.0-only
"""MPL-08: set_mempolicy_home_node() with a private node."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import Mode
from helpers.memory import Mapping
from helpers.testmod import TestModule
from selftests.mempolicy.letters import with_e
from selftests.mempolicy.placing import HUGE, PAGES
from selftests.oracle import located

KINDS = {"base": {"pages": PAGES}, "huge": {"pages": HUGE, "thp": True}}


def at_home(memory: Mapping, nids: list[int], home: int) -> Mapping:
    """Memory bound to the nodes, with a home node, and touched."""
    memory.bind(Mode.BIND, nids)
    syscalls.set_mempolicy_home_node(memory.addr, memory.nbytes, home)
    memory.touch()
    memory.verify()
    return memory


@requirement("MPL-08")
@pytest.mark.parametrize(
    ("mask", "home", "kind"),
    [
        *(
            pytest.param(*row.split(), "base", marks=core)
            for row in ("DP P", "DP D", "DEP P", "PQ P", "PQ Q")
        ),
        *(pytest.param(*row.split(), "huge") for row in ("DP P", "PQ Q")),
    ],
)
def test_pages_are_at_home(
    nodes: dict[str, int], mod: TestModule, anon: AnonFactory, mask: str, home: str, kind: str
) -> None:
    nids = [nodes[letter] for letter in mask]
    where = located(mod, at_home(anon(**KINDS[kind]), nids, nodes[home]))
    assert where.all_on(nodes[home]), f"BIND {nids}, home node {nodes[home]}: {where}"


@requirement("MPL-08")
@core
@with_e
def test_full_home_node_makes_way(
    nodes: dict[str, int], p: PrivateNode, mod: TestModule, anon: AnonFactory
) -> None:
    # E, and not D: where pages go without any policy.
    nids = [nodes["E"], p.nid]
    with p.fill():
        where = located(mod, at_home(anon(PAGES), nids, p.nid))
    assert where.all_on(nodes["E"]), f"BIND {nids}, home node {p.nid} full: {where}"


@requirement("MPL-08")
@core
def test_only_the_range_has_the_home_node(nodes: dict[str, int], mod: TestModule, anon: AnonFactory) -> None:
    memory = anon(2 * PAGES)
    memory.bind(Mode.BIND, [nodes["D"], nodes["P"]])
    syscalls.set_mempolicy_home_node(memory.page_addr(PAGES), PAGES * syscalls.PAGE_SIZE, nodes["P"])
    memory.touch()
    where = located(mod, memory)
    assert where.nodes == [nodes["D"]] * PAGES + [nodes["P"]] * PAGES, (
        f"home node for the second half: {where}"
    )
    memory.verify()

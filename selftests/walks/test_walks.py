# SPDX-License-Identifier: GPL-2.0-only
"""Random walks over policy and migration calls: pages are where the documents say, with their contents, after
each step. Q is open, open for migration only, or closed."""

import pytest

from fixtures.nodes import OpenNode
from fixtures.process import ChildFactory
from fixtures.property import Holds
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import Mode
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.testmod import Ops
from selftests.mempolicy.placing import OPEN
from selftests.walks.world import PAGES, Step, World, walks

EXAMPLES = 60
#: For all examples, within the deadline of a test; they take ten on an idle machine.
SECONDS = 90
#: Flags of Q, and what that makes of it: letters that policies may name, letters that take part in migration.
KINDS = {
    "open": (OPEN, "DEPQ", "DEPQ"),
    "migration": (Ops.MIGRATION, "DEP", "DEPQ"),
    "closed": (Ops(0), "DEP", "DEP"),
}


@requirement("MPL-01", "MPL-06", "MPL-09", "MIG-01")
@pytest.mark.parametrize("kind", KINDS)
def test_pages_are_where_the_calls_put_them(
    open_node: OpenNode, second_open_node: OpenNode, ordinary_node: Node, second_ordinary_node: Node,
    child: ChildFactory, holds: Holds, kind: str,
) -> None:  # fmt: skip
    flags, policies, movers = KINDS[kind]
    p, q = open_node(OPEN), second_open_node(flags)
    nodes = {"D": ordinary_node.nid, "E": second_ordinary_node.nid, "P": p.nid, "Q": q.nid}

    def check(walk: list[Step]) -> None:
        try:
            with Mapping.anonymous(PAGES) as memory:
                world = World(nodes, policies, movers, memory)
                for step in walk:
                    world.take(step)
        finally:
            syscalls.set_mempolicy(Mode.DEFAULT)

    child(holds, lambda st: walks(st, "DEPQ"), check, EXAMPLES, timeout=SECONDS)

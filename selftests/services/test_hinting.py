# SPDX-License-Identifier: GPL-2.0-only
"""SVC-10: NUMA hints on P's pages, only if P is open for them."""

from collections.abc import Iterator

import pytest

from fixtures.knobs import KnobSetter
from fixtures.nodes import OpenNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers.constants import Mode
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.testmod import Ops, PteFlags, TestModule
from helpers.wait import wait_until
from selftests.filters.kinds import HUGE, OPEN


@requirement("SVC-10")
@pytest.mark.parametrize("thp", [False, True], ids=["base", "huge"])
@pytest.mark.parametrize("opened", [False, True], ids=["without", "with"])
def test_hints(
    open_node: OpenNode, child: ChildFactory, ordinary_node: Node, second_ordinary_node: Node,
    testmod: TestModule, knob: KnobSetter, thp: bool, opened: bool,
) -> None:  # fmt: skip
    """P's pages lie between pages of D2, which get hints in any case."""
    node = open_node(OPEN | (Ops.NUMA_BALANCING if opened else Ops.NONE))
    balancing = "/sys/kernel/debug/sched/numa_balancing"
    knob(f"{balancing}/scan_delay_ms", 50)
    knob(f"{balancing}/scan_period_min_ms", 100)
    knob("kernel.numa_balancing", 1)
    far = second_ordinary_node.nid

    def hinted(memory: Mapping, part: int) -> int:
        """Pages with a hint, or moved to D by one."""
        pages = testmod.pages(memory.page_addr(part * HUGE), HUGE)
        return sum(1 for page in pages if page.pte & PteFlags.PROTNONE or page.nid == ordinary_node.nid)

    def work() -> Iterator[list[int]]:
        with Mapping.anonymous(3 * HUGE, thp=thp) as memory:
            for part, nid in enumerate((far, node.nid, far)):
                memory.bind(Mode.BIND, [nid], first=part * HUGE, count=HUGE)
                memory.touch(first=part * HUGE, count=HUGE)
            memory.bind(Mode.DEFAULT, ())
            wanted = (0, 1, 2) if opened else (0, 2)
            wait_until(
                lambda: all(hinted(memory, part) > HUGE // 2 for part in wanted), 40,
                lambda: f"hinted pages of D2, P, D2: {[hinted(memory, part) for part in range(3)]}",
            )  # fmt: skip
            yield [hinted(memory, part) for part in range(3)]
            memory.verify()

    worker = child.start(work, cpus=set(ordinary_node.cpus()))
    found = worker.step()
    worker.finish()
    assert bool(found[1]) == opened, f"hinted pages of D2, P, D2: {found}"

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
from helpers.residency import residency
from helpers.testmod import Ops, PteFlags, TestModule
from helpers.wait import wait_until
from selftests.filters.kinds import HUGE, OPEN
from selftests.services.hints import scan_often


def scan_at_once(knob: KnobSetter) -> None:
    """NUMA balancing is on, and sets hints soon and often."""
    scan_often(knob)
    knob("kernel.numa_balancing", 1)


@requirement("SVC-10")
@pytest.mark.parametrize("thp", [False, True], ids=["base", "huge"])
@pytest.mark.parametrize("opened", [False, True], ids=["without", "with"])
def test_hints(
    open_node: OpenNode, child: ChildFactory, ordinary_node: Node, second_ordinary_node: Node,
    testmod: TestModule, knob: KnobSetter, thp: bool, opened: bool,
) -> None:  # fmt: skip
    """P's pages lie between pages of D2, which get hints in any case."""
    node = open_node(OPEN | (Ops.NUMA_BALANCING if opened else Ops.NONE))
    scan_at_once(knob)
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


@requirement("SVC-10")
@pytest.mark.parametrize("thp", [False, True], ids=["base", "huge"])
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "lost"])
def test_hints_that_outlive_the_flag(
    open_node: OpenNode, child: ChildFactory, ordinary_node: Node, testmod: TestModule, knob: KnobSetter,
    thp: bool, kept: bool,
) -> None:  # fmt: skip
    """Who touches a page with a hint has it moved to him, unless P has closed to that since."""
    node = open_node(OPEN | Ops.NUMA_BALANCING)
    scan_at_once(knob)

    def hinted(memory: Mapping) -> int:
        return sum(1 for page in testmod.pages(memory.addr, HUGE) if page.pte & PteFlags.PROTNONE)

    def work() -> Iterator[object]:
        with Mapping.anonymous(HUGE, thp=thp) as memory:
            memory.bind(Mode.BIND, [node.nid])
            memory.touch()
            memory.bind(Mode.DEFAULT, ())
            wait_until(lambda: hinted(memory) > HUGE // 2, 40, lambda: f"hinted: {hinted(memory)}")
            yield
            left = hinted(memory)
            memory.verify()
            yield left, residency(memory)

    worker = child.start(work, cpus=set(ordinary_node.cpus()))
    worker.step()
    if not kept:
        node.set_ops(OPEN)
    left, where = worker.step()
    worker.finish()
    assert left, "no hint was left to be touched"
    if kept:
        assert where.any_on(ordinary_node.nid), f"the control, {node}: {left} hints, then {where}"
    else:
        assert where.all_on(node.nid), f"{node}: {left} hints, then {where}"

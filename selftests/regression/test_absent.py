# SPDX-License-Identifier: GPL-2.0-only
"""REG-01a, REG-02a, REG-04, REG-05a, REG-06a: nodes that have no memory, or none for the task."""

import pytest

from fixtures.cgroups import CpusetFactory
from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode, PrivateRange
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import failing, syscalls
from helpers.constants import MPOL_MF_MOVE, Mode
from helpers.memory import Mapping
from helpers.nodes import Node, node_list
from helpers.outcome import OK, outcome
from helpers.syscalls import migrate_pages, move_pages, set_mempolicy_home_node
from selftests.migration.tasks import holder
from selftests.oracle import placed

#: More than a call allocates.
DEEPEST = 40
MODES = [mode for mode in Mode if mode not in (Mode.DEFAULT, Mode.LOCAL)]
#: For one node alone: PREFERRED takes the first of several, which may be the one that is left out.
SEVERAL = [mode for mode in MODES if mode is not Mode.PREFERRED]


def by_mbind(mode: Mode, nodes: list[int]) -> str:
    with Mapping.anonymous(1) as memory:
        return outcome(memory.bind, mode, nodes)


def by_set_mempolicy(mode: Mode, nodes: list[int]) -> str:
    try:
        return outcome(syscalls.set_mempolicy, mode, nodes)
    finally:
        syscalls.set_mempolicy(Mode.DEFAULT)


calls = pytest.mark.parametrize(
    "call",
    [
        pytest.param(by_mbind, id="mbind", marks=requirement("REG-01a")),
        pytest.param(by_set_mempolicy, id="set_mempolicy", marks=requirement("REG-02a")),
    ],
)


def results(call, nodes: list[int], modes: list[Mode]) -> dict[str, str]:  # type: ignore[no-untyped-def]
    """For a child: mode -> what comes of the call."""
    return {mode.name: call(mode, nodes) for mode in modes}


def every(result: str, modes: list[Mode]) -> dict[str, str]:
    return {mode.name: result for mode in modes}


@core
@calls
def test_mask_outside_of_the_cpuset(
    ordinary: dict[str, int], child: ChildFactory, cpuset: CpusetFactory, call: object
) -> None:
    """Wholly outside it is EINVAL; what is inside counts."""
    group, d, e = cpuset([ordinary["D"]]), ordinary["D"], ordinary["E"]
    assert child(results, call, [e], MODES, cgroup=group) == every("EINVAL", MODES)
    assert child(results, call, [d, e], SEVERAL, cgroup=group) == every(OK, SEVERAL)
    assert child(results, call, [e], MODES) == every(OK, MODES), "the control: without the cpuset"


@core
@calls
def test_mask_without_memory(
    p: PrivateNode, second_unplugged: PrivateRange, ordinary_node: Node, child: ChildFactory, call: object
) -> None:
    """A possible node that nothing is plugged into is no node; beside another it does not count."""
    nid, d = second_unplugged.nid, ordinary_node.nid
    assert nid not in node_list("has_memory")
    assert child(results, call, [nid], MODES) == every("EINVAL", MODES)
    assert child(results, call, [d, nid], SEVERAL) == every(OK, SEVERAL)


@requirement("REG-05a")
@core
def test_migrate_pages_to_no_memory(
    p: PrivateNode, second_unplugged: PrivateRange, ordinary_node: Node, child: ChildFactory
) -> None:
    worker = child.start(holder, {"pages": 2}, ordinary_node.nid, lean=True)
    worker.step()
    d, nid = ordinary_node.nid, second_unplugged.nid
    assert outcome(migrate_pages, worker.pid, [d], [nid]) == "EINVAL"
    assert outcome(migrate_pages, worker.pid, [d], [d]) == OK, "the control"
    worker.finish()


@requirement("REG-06a")
@core
def test_move_pages_to_no_memory(
    p: PrivateNode, second_unplugged: PrivateRange, ordinary_node: Node, anon: AnonFactory
) -> None:
    memory = placed(anon(2), ordinary_node.nid)
    for nid, result in ((second_unplugged.nid, "ENODEV"), (ordinary_node.nid, OK)):
        assert outcome(move_pages, 0, memory.addrs(), [nid] * 2, MPOL_MF_MOVE) == result, f"node {nid}"
    memory.verify()


@requirement("REG-04")
@core
def test_home_that_is_offline(
    p: PrivateNode, second_unplugged: PrivateRange, ordinary_node: Node, anon: AnonFactory
) -> None:
    memory, d, nid = anon(2), ordinary_node.nid, second_unplugged.nid
    memory.bind(Mode.BIND, [d])
    assert nid in node_list("possible") - node_list("online")
    assert outcome(set_mempolicy_home_node, memory.addr, memory.nbytes, nid) == "EINVAL"
    assert outcome(set_mempolicy_home_node, memory.addr, memory.nbytes, d) == OK, "the control"
    memory.unmap(0, 2)
    # By mm/mempolicy.c; the manual page says nothing of a range without mappings.
    assert outcome(set_mempolicy_home_node, memory.addr, memory.nbytes, d) == "ENOENT"


@requirement("REG-06a")
def test_move_pages_to_a_node_without_a_free_page(ordinary: dict[str, int], anon: AnonFactory) -> None:
    """As it is for a call whose page there is refused: ENOMEM, and nothing is lost."""
    if not failing.available():
        pytest.skip("needs FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_DEBUG_FS")
    memory, seen = placed(anon(2), ordinary["D"]), []
    with failing.failing() as refuse:
        for nth in range(1, DEEPEST):
            to_e = (0, memory.addrs(), [ordinary["E"]] * 2, MPOL_MF_MOVE)
            seen.append(refuse.once(nth, lambda to_e=to_e: move_pages(*to_e)))
            memory.verify()
            move_pages(0, memory.addrs(), [ordinary["D"]] * 2, MPOL_MF_MOVE)
    found = {attempt.outcome for attempt in seen if attempt.hit}
    assert "ENOMEM" in found, f"by the allocation that was refused: {seen}"
    assert found <= {"ENOMEM", OK}, f"{seen}"
    assert seen[-1].outcome == OK, f"the control, nothing refused: {seen[-1]}"

# SPDX-License-Identifier: GPL-2.0-only
"""REG-09: hugetlb pools of ordinary nodes."""

from pathlib import Path

import pytest

from fixtures.knobs import KnobSetter
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node, default_hugepage_size, meminfo
from helpers.residency import Residency, residency

POOL = 6


def attribute(name: str, nid: int | None = None) -> str:
    """A file of the default pool, of the machine or of one node."""
    kb = default_hugepage_size() // 1024
    pool = Path(f"/sys/kernel/mm/hugepages/hugepages-{kb}kB") if nid is None else Node(nid).hugepages()
    return str(pool / name)


def number(name: str, nid: int | None = None) -> int:
    with open(attribute(name, nid)) as file:
        return int(file.read())


def used(pages: int, nid: int | None = None) -> Residency:
    """For a child: hugetlb pages, faulted in under BIND to the node."""
    per = default_hugepage_size() // PAGE_SIZE
    with Mapping.anonymous(pages * per, hugetlb=True) as memory:
        if nid is not None:
            memory.bind(Mode.BIND, [nid])
        for index in range(0, memory.pages, per):
            memory.touch(first=index, count=1)
        return residency(memory)


@pytest.fixture(autouse=True)
def empty_pool(knob: KnobSetter) -> None:
    """Empty now and again after the test."""
    if "Hugepagesize" not in meminfo():
        pytest.skip("needs hugetlb")
    knob(attribute("nr_hugepages"), 0)


@requirement("REG-09")
@pytest.mark.parametrize("letter", ["D", "E"])
def test_pool_of_a_node(ordinary: dict[str, int], knob: KnobSetter, letter: str) -> None:
    nid = ordinary[letter]
    for pages in (POOL, 2, POOL + 1, 0):
        knob(attribute("nr_hugepages", nid), pages)
        found = {other: number("nr_hugepages", other) for other in ordinary.values()}
        assert found == {**dict.fromkeys(ordinary.values(), 0), nid: pages}, f"asked for {pages} on {nid}"
        assert number("free_hugepages", nid) == pages
        assert number("nr_hugepages") == pages


@requirement("REG-09")
def test_global_pool_is_spread(
    ordinary: dict[str, int], ordinary_nodes: list[Node], knob: KnobSetter
) -> None:
    """Over all ordinary nodes, one more here than there at most."""
    knob(attribute("nr_hugepages"), POOL)
    found = {node.nid: number("nr_hugepages", node.nid) for node in ordinary_nodes}
    each = POOL // len(found)
    assert sum(found.values()) == POOL, f"{POOL} pages over {ordinary_nodes}: {found}"
    assert set(found.values()) <= {each, each + 1}, f"{POOL} pages over {ordinary_nodes}: {found}"


@requirement("REG-09")
def test_global_pool_under_a_policy(ordinary: dict[str, int], child: ChildFactory, knob: KnobSetter) -> None:
    def grow() -> None:
        syscalls.set_mempolicy(Mode.BIND, [ordinary["E"]])
        with open("/proc/sys/vm/nr_hugepages_mempolicy", "w") as file:
            file.write(str(POOL))

    child(grow)
    assert (number("nr_hugepages", ordinary["D"]), number("nr_hugepages", ordinary["E"])) == (0, POOL)


@requirement("REG-09")
@pytest.mark.parametrize("letter", ["D", "E"])
def test_pages_of_the_pool_follow_the_policy(
    ordinary: dict[str, int], child: ChildFactory, knob: KnobSetter, letter: str
) -> None:
    for nid in ordinary.values():
        knob(attribute("nr_hugepages", nid), POOL)
    where = child(used, POOL, ordinary[letter])
    assert set(where.counts) == {ordinary[letter]}, f"BIND {ordinary[letter]}: {where}"
    assert number("free_hugepages") == 2 * POOL, "they came back"


@requirement("REG-09")
def test_empty_pool_of_the_node_is_sigbus(
    ordinary: dict[str, int], child: ChildFactory, knob: KnobSetter
) -> None:
    """Reserved from the machine's pool, but none where the policy wants it."""
    knob(attribute("nr_hugepages", ordinary["D"]), POOL)
    with pytest.raises(ChildDied) as death:
        child(used, 2, ordinary["E"])
    assert death.value.signal is not None
    assert death.value.signal.name == "SIGBUS"
    assert child(used, 2, ordinary["D"]).any_on(ordinary["D"]), "the control"

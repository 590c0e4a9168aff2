# SPDX-License-Identifier: GPL-2.0-only
"""MPL-13: shared anonymous memory, memfds and tmpfs files bound to P: on P, or refused by mbind()."""

import os

import pytest

from fixtures.invariants import oom_expected
from fixtures.knobs import KnobSetter
from fixtures.nodes import PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MADV_HUGEPAGE, MADV_POPULATE_WRITE, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import Residency, residency
from selftests.mempolicy.accesses import own_everything
from selftests.mempolicy.crowd import BOUND, ENDS, bystanders
from selftests.mempolicy.letters import with_e
from selftests.mempolicy.placing import HUGE, PAGES
from selftests.mempolicy.shared import KINDS, tmpfs_file

ROOM = 512  # pages
kinds = pytest.mark.parametrize("kind", KINDS)
Found = tuple[str, Residency]


def bound(kind: str, nid: int, pages: int, mode: int = Mode.BIND) -> Found:
    """What mbind() said, and where the pages are then."""
    with KINDS[kind](pages) as memory:
        said = outcome(memory.bind, mode, [nid])
        memory.touch()
        memory.verify()
        return said, residency(memory)


def assert_bound(found: Found, nid: int, ordinary: list[Node]) -> None:
    """On the node, or refused and on ordinary nodes."""
    said, where = found
    wanted = {nid} if said == OK else {node.nid for node in ordinary}
    assert where.absent == 0, f"mbind: {said}; {where}"
    assert set(where.counts) <= wanted, f"mbind to {nid}: {said}; {where}"


@requirement("MPL-13")
@core
@kinds
@pytest.mark.parametrize(
    "mode", [Mode.BIND, Mode.PREFERRED, Mode.INTERLEAVE], ids=lambda mode: mode.name.lower()
)
@with_e
def test_bound_range(
    nodes: dict[str, int], ordinary_nodes: list[Node], child: ChildFactory, kind: str, mode: Mode
) -> None:
    assert_bound(child(bound, kind, nodes["P"], PAGES, mode, timeout=BOUND), nodes["P"], ordinary_nodes)
    said, where = child(bound, kind, nodes["E"], PAGES, mode)
    assert (said, where.counts) == (OK, {nodes["E"]: PAGES}), f"the control, node E: {said}; {where}"


@requirement("MPL-13")
@core
@kinds
def test_who_touches_it_first_does_not_matter(
    p: PrivateNode, ordinary_nodes: list[Node], child: ChildFactory, kind: str
) -> None:
    """The policy belongs to the memory, so that of the task that brings it in does not count."""
    with KINDS[kind](PAGES) as memory:
        said = outcome(memory.bind, Mode.BIND, [p.nid])

        def other(nid: int) -> None:
            syscalls.set_mempolicy(Mode.BIND, [nid])
            memory.touch()

        child(other, ordinary_nodes[-1].nid, timeout=BOUND)
        memory.verify()
        assert_bound((said, residency(memory)), p.nid, ordinary_nodes)


@requirement("MPL-13")
@core
def test_written_by_a_system_call(p: PrivateNode, ordinary_nodes: list[Node], child: ChildFactory) -> None:
    """write(2) to the file, of which a mapping is bound."""

    def written() -> Found:
        with tmpfs_file() as fd:
            os.ftruncate(fd, PAGES * PAGE_SIZE)
            with Mapping.of_fd(fd, PAGES, shared=True) as memory:
                said = outcome(memory.bind, Mode.BIND, [p.nid])
                os.pwrite(fd, b"pnode123" * (PAGES * PAGE_SIZE // 8), 0)
                assert memory.read_all() == os.pread(fd, PAGES * PAGE_SIZE, 0)
                return said, residency(memory)

    assert_bound(child(written, timeout=BOUND), p.nid, ordinary_nodes)


@requirement("MPL-13")
def test_huge_pages(
    p: PrivateNode, ordinary_nodes: list[Node], child: ChildFactory, knob: KnobSetter
) -> None:
    knob("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "advise")

    def huge(nid: int) -> Found:
        with Mapping.anonymous(2 * HUGE, shared=True, thp=True) as memory:
            memory.advise(MADV_HUGEPAGE)
            said = outcome(memory.bind, Mode.BIND, [nid])
            memory.touch()
            memory.verify()
            return said, residency(memory)

    assert_bound(child(huge, p.nid, timeout=BOUND), p.nid, ordinary_nodes)
    _said, where = child(huge, ordinary_nodes[-1].nid)
    assert where.huge_runs() == 2, f"the control, no huge pages on node {ordinary_nodes[-1]}: {where}"


def touched_by_task(kind: str, nid: int) -> Residency:
    """Shared memory that a task bound to the node brings in."""
    with KINDS[kind](PAGES) as memory:
        own_everything()
        syscalls.set_mempolicy(Mode.BIND, [nid])
        memory.advise(MADV_POPULATE_WRITE)
        syscalls.set_mempolicy(Mode.DEFAULT)
        memory.touch()
        memory.verify()
        return residency(memory)


@requirement("MPL-13")
@core
@kinds
def test_policy_of_the_task(
    p: PrivateNode, ordinary_nodes: list[Node], child: ChildFactory, kind: str
) -> None:
    """A task bound to P gets there, wherever the pages are; nobody is killed for it."""
    where = child(touched_by_task, kind, p.nid, timeout=BOUND)
    assert where.absent == 0, f"{where}"
    assert set(where.counts) <= {p.nid, *(node.nid for node in ordinary_nodes)}, f"bound to {p}: {where}"


@requirement("MPL-13")
@oom_expected
@kinds
def test_policy_of_the_task_when_the_node_is_full(
    p: PrivateNode, ordinary_nodes: list[Node], child: ChildFactory, kind: str
) -> None:
    """It goes on elsewhere, or is killed: it alone, and soon."""
    with bystanders(child, p), p.fill():
        worker = child.start(touched_by_task, kind, p.nid)
        death = worker.wait_end(BOUND)
    if death is not None:
        assert death.signal in ENDS, f"{death}"
        return
    where = worker.finish()
    assert where.absent == 0, f"{where}"
    assert set(where.counts) <= {node.nid for node in ordinary_nodes}, f"bound to {p}, which is full: {where}"

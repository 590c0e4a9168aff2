# SPDX-License-Identifier: GPL-2.0-only
"""HPL-14: policies that name a node which went, and came back."""

import signal
from collections.abc import Callable, Iterator

import pytest

from fixtures.invariants import allow_splat
from fixtures.nodes import PrivateRange, unchanged_free_pages
from fixtures.process import Child, ChildDied, ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_F_STATIC_NODES, Mode
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import Residency, residency_of
from helpers.testmod import Ops

OPEN = Ops.MIGRATION | Ops.MEMPOLICY
PAGES = 16
BOUND = 20.0  # seconds for each step of the task: none of them may livelock
MODES = {
    "bind": Mode.BIND,
    "preferred": Mode.PREFERRED,
    "preferred_many": Mode.PREFERRED_MANY,
    "interleave": Mode.INTERLEAVE,
    "weighted": Mode.WEIGHTED_INTERLEAVE,
    "static": Mode.BIND | MPOL_F_STATIC_NODES,
}
MODE = pytest.mark.parametrize(
    "mode",
    [pytest.param(mode, id=name, marks=core if name == "bind" else ()) for name, mode in MODES.items()],
)
SCOPE = pytest.mark.parametrize("scope", ["mapping", "task"])
#: A task that a policy leaves without a node may fail: by a kill that is confined to such tasks.
may_be_killed = allow_splat(
    "^.*oom-kill:constraint=CONSTRAINT_MEMORY_POLICY", reason="a policy whose only node is not there"
)


def bound(nid: int, mode: int, scope: str) -> Iterator[tuple[int, str]]:
    """For a child: at each step more memory under one policy, and all of it checked; yields where it is."""
    with Mapping.anonymous(4 * PAGES) as memory:
        if scope == "mapping":
            memory.bind(mode, [nid])
        else:
            syscalls.set_mempolicy(mode, [nid])
        for step in range(4):
            memory.touch(first=step * PAGES, count=PAGES)
            memory.verify(count=(step + 1) * PAGES)
            yield memory.page_addr(step * PAGES), syscalls.mode_name(syscalls.get_mempolicy()[0])


def next_pages(worker: Child) -> Residency | None:
    """Where the memory of the task's next step is; None when it could not have any and was killed for it."""
    try:
        return residency_of(worker.step(BOUND)[0], PAGES, worker.pid)
    except ChildDied as death:
        if death.signal not in (signal.SIGKILL, signal.SIGBUS):
            raise
        return None


@may_be_killed
@requirement("HPL-14")
@MODE
@SCOPE
@pytest.mark.parametrize("again", ["closed", "open"])
def test_the_task_goes_on(
    unplugged: PrivateRange,
    ordinary_nodes: list[Node],
    child: ChildFactory,
    record_property: Callable[[str, object], None],
    mode: int,
    scope: str,
    again: str,
) -> None:
    nid, ordinary = unplugged.nid, [node.nid for node in ordinary_nodes]
    node = unplugged.plug(ops=OPEN)
    worker = child.start(bound, nid, mode, scope)
    first = next_pages(worker)
    # MPOL_PREFERRED_MANY may have had other pages than P's (MPL-03).
    before = [nid, *ordinary] if mode == Mode.PREFERRED_MANY else [nid]
    assert first is not None
    assert not first.absent
    assert not first.elsewhere(*before), f"before: {first}"
    assert node.unplug() == 0

    away = next_pages(worker)
    record_property("while away", str(away or "killed"))
    if away is None:
        return
    assert not away.absent
    assert not away.elsewhere(*ordinary), f"while the node is away: {away}"

    node = unplugged.plug(ops=OPEN if again == "open" else None)
    if again == "closed":
        with unchanged_free_pages(node):
            back = next_pages(worker)
    else:
        back, ordinary = next_pages(worker), [nid, *ordinary]
    record_property(f"back and {again}", str(back or "killed"))
    if back is not None:
        assert not back.elsewhere(*ordinary), f"the node is back and {again}: {back}"
        worker.finish(BOUND)


@requirement("HPL-14")
@core
@SCOPE
def test_it_can_be_bound_again(unplugged: PrivateRange, child: ChildFactory, scope: str) -> None:
    nid = unplugged.nid
    unplugged.plug(ops=OPEN).unplug()

    def body() -> Iterator[int]:
        for _life in range(2):
            steps = bound(nid, Mode.BIND, scope)
            yield next(steps)[0]

    for _life in range(2):
        node = unplugged.plug(ops=OPEN)
        worker = child.start(body)
        where = residency_of(worker.step(BOUND), PAGES, worker.pid)
        assert where.all_on(nid), f"{where}"
        worker.kill()
        node.unplug()


@may_be_killed
@requirement("HPL-14")
def test_the_node_comes_back_as_ordinary_memory(
    unplugged: PrivateRange, ordinary_nodes: list[Node], child: ChildFactory
) -> None:
    node = unplugged.plug(ops=OPEN)
    worker = child.start(bound, unplugged.nid, Mode.BIND, "mapping")
    worker.step(BOUND)
    node.unplug()
    if next_pages(worker) is None:
        return
    unplugged.plug_ordinary()
    where = next_pages(worker)
    if where is None:
        return
    assert not where.absent
    assert not where.elsewhere(unplugged.nid, *(node.nid for node in ordinary_nodes)), f"{where}"
    worker.kill()

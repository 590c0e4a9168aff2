# SPDX-License-Identifier: GPL-2.0-only
"""MIG-05: mbind() takes pages off a node that is open for migration only, so that no policy names it."""

from collections.abc import Iterator

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL, MPOL_MF_STRICT, Mode
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.observed import landed
from helpers.outcome import OK, outcome
from helpers.testmod import TestModule
from selftests.migration.moves import HUGE, NOBODY, OPEN, PAGES, moved, share
from selftests.oracle import Span, located, placed

KINDS = {
    "base": {"pages": PAGES},
    "shmem": {"pages": PAGES, "shared": True},
    "huge": {"pages": 2 * HUGE, "thp": True},
}
MODES = [Mode.BIND, Mode.PREFERRED, Mode.PREFERRED_MANY, Mode.INTERLEAVE]
FLAGS = {
    "move": MPOL_MF_MOVE,
    "move_all": MPOL_MF_MOVE_ALL,
    "move_strict": MPOL_MF_MOVE | MPOL_MF_STRICT,
}
kinds = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == "huge" else core) for kind in KINDS]
)


@pytest.fixture
def node(open_node: OpenNode) -> PrivateNode:
    """P, open for migration and nothing else."""
    return open_node(OPEN)


@requirement("MIG-05")
@kinds
@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
def test_move_takes_pages_off(
    node: PrivateNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory, kind: str, flags: int
) -> None:
    memory = moved(mod, placed(anon(**KINDS[kind]), ordinary_node.nid), node.nid)
    memory.bind(Mode.BIND, [ordinary_node.nid], flags)
    where = landed(located(mod, memory), "BIND", [ordinary_node.nid], by="mbind, MPOL_MF_MOVE")
    assert where.all_on(ordinary_node.nid), f"{where}"
    memory.verify()


@requirement("MIG-05")
@core
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.lower())
def test_whatever_the_mode(
    node: PrivateNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory, mode: Mode
) -> None:
    memory = moved(mod, placed(anon(PAGES), ordinary_node.nid), node.nid)
    memory.bind(mode, [ordinary_node.nid], MPOL_MF_MOVE)
    where = located(mod, memory)
    assert where.all_on(ordinary_node.nid), f"{mode.name}: {where}"
    memory.verify()


@requirement("MIG-05")
@core
def test_without_move_they_stay(
    node: PrivateNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory
) -> None:
    memory = moved(mod, placed(anon(PAGES), ordinary_node.nid), node.nid)
    frames = located(mod, memory).frames
    memory.bind(Mode.BIND, [ordinary_node.nid])
    memory.verify()
    assert located(mod, memory).frames == frames


@requirement("MIG-05")
@kinds
def test_strict_reports_what_is_misplaced(
    node: PrivateNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory, kind: str
) -> None:
    memory = placed(anon(**KINDS[kind]), ordinary_node.nid)
    assert outcome(memory.bind, Mode.BIND, [ordinary_node.nid], MPOL_MF_STRICT) == OK, "the control: on D"
    memory.bind(Mode.DEFAULT, ())
    moved(mod, memory, node.nid)
    assert outcome(memory.bind, Mode.BIND, [ordinary_node.nid], MPOL_MF_STRICT) == "EIO"
    assert located(mod, memory).all_on(node.nid), "a report moves nothing"
    memory.verify()


@requirement("MIG-05")
@core
def test_strict_reports_one_page_among_many(
    node: PrivateNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory
) -> None:
    memory = placed(anon(PAGES), ordinary_node.nid)
    addr = memory.page_addr(PAGES // 2)
    moved(mod, Mapping(addr, 1), node.nid).forget()
    assert outcome(memory.bind, Mode.BIND, [ordinary_node.nid], MPOL_MF_STRICT) == "EIO"
    assert outcome(memory.bind, Mode.BIND, [ordinary_node.nid], MPOL_MF_STRICT | MPOL_MF_MOVE) == OK
    assert located(mod, memory).all_on(ordinary_node.nid)
    memory.verify()


@requirement("MIG-05")
@core
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lax"])
def test_a_pinned_page_stays_and_strict_says_so(
    node: PrivateNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory, strict: bool
) -> None:
    memory = moved(mod, placed(anon(PAGES), ordinary_node.nid), node.nid)
    pin = mod.pin(memory.addr, 1)
    flags = MPOL_MF_MOVE | (MPOL_MF_STRICT if strict else 0)
    seen = outcome(memory.bind, Mode.BIND, [ordinary_node.nid], flags)
    where = located(mod, memory)
    assert where.nodes == [node.nid] + [ordinary_node.nid] * (PAGES - 1), f"the first is pinned: {where}"
    assert seen == ("EIO" if strict else OK)
    mod.unpin(pin)
    memory.verify()


@requirement("MIG-05")
@core
def test_shared_pages_need_move_all(
    node: PrivateNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory, child: ChildFactory
) -> None:
    memory = moved(mod, placed(anon(PAGES), ordinary_node.nid), node.nid)
    sharer = child.start(share, memory)
    sharer.step()
    memory.bind(Mode.BIND, [ordinary_node.nid], MPOL_MF_MOVE)
    assert located(mod, memory).all_on(node.nid), "pages that another task maps moved"
    memory.bind(Mode.BIND, [ordinary_node.nid], MPOL_MF_MOVE_ALL)
    assert located(mod, memory).all_on(ordinary_node.nid)
    assert located(mod, memory, sharer.pid).frames == located(mod, memory).frames, "sharing was lost"
    memory.verify()
    sharer.finish()


@requirement("MIG-05")
@core
def test_move_all_needs_privilege(
    node: PrivateNode, ordinary_node: Node, mod: TestModule, child: ChildFactory
) -> None:
    def user() -> Iterator[object]:
        with Mapping.anonymous(PAGES) as memory:
            placed(memory, ordinary_node.nid)
            moved_there = outcome(_to, memory, node.nid)
            yield Span(memory.addr, PAGES), moved_there
            yield outcome(memory.bind, Mode.BIND, [ordinary_node.nid], MPOL_MF_MOVE_ALL)
            yield outcome(memory.bind, Mode.BIND, [ordinary_node.nid], MPOL_MF_MOVE)
            memory.verify()

    worker = child.start(user, uid=NOBODY)
    memory, seen = worker.step()
    assert seen == OK
    assert worker.step() == "EPERM"
    assert located(mod, memory, worker.pid).all_on(node.nid), "moved nevertheless"
    assert worker.step() == OK, "the control: MOVE needs none"
    assert located(mod, memory, worker.pid).all_on(ordinary_node.nid)
    worker.finish()


def _to(memory: Mapping, nid: int) -> None:
    """move_pages() of memory of an unprivileged task, which cannot ask the oracle."""
    syscalls.move_pages(0, memory.addrs(), [nid] * memory.pages, MPOL_MF_MOVE)

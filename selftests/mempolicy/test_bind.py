# SPDX-License-Identifier: GPL-2.0-only
"""MPL-01: mbind() with BIND {P}."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import OpenNode, PrivateNode, stable_free_pages
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE
from helpers.nodes import Node
from helpers.observed import landed
from helpers.residency import is_zero_page
from helpers.testmod import OnlineType, TestModule
from selftests.mempolicy.placing import HUGE, OPEN, PAGES
from selftests.oracle import located

KINDS = {"base": {"pages": PAGES}, "huge": {"pages": HUGE, "thp": True}}


@requirement("MPL-01")
@pytest.mark.parametrize(
    ("kind", "online"),
    [
        pytest.param("base", OnlineType.MOVABLE, id="base-movable", marks=core),
        pytest.param("huge", OnlineType.MOVABLE, id="huge-movable"),
        pytest.param("base", OnlineType.KERNEL, id="base-kernel"),
        pytest.param("huge", OnlineType.KERNEL, id="huge-kernel"),
    ],
)
def test_every_page_is_on_the_node(
    open_node: OpenNode, mod: TestModule, anon: AnonFactory, kind: str, online: OnlineType
) -> None:
    node = open_node(OPEN, online=online)
    memory = anon(**KINDS[kind])
    memory.bind(Mode.BIND, [node.nid])
    memory.touch()
    where = landed(located(mod, memory), "BIND", [node.nid], by="mbind")
    assert where.all_on(node.nid), f"BIND {{{node.nid}}} on {node}: {where}"
    memory.verify()


@requirement("MPL-01")
@core
def test_only_the_bound_range(
    p: PrivateNode, q: PrivateNode, ordinary_node: Node, mod: TestModule, anon: AnonFactory
) -> None:
    memory = anon(4 * PAGES)
    for first, nid in ((PAGES, p.nid), (2 * PAGES, q.nid), (3 * PAGES, ordinary_node.nid)):
        memory.bind(Mode.BIND, [nid], first=first, count=PAGES)
    memory.touch()
    where = located(mod, memory)
    bound = [nid for nid in (p.nid, q.nid, ordinary_node.nid) for _page in range(PAGES)]
    assert where.nodes[PAGES:] == bound, f"four times {PAGES} pages, default, P, Q, D: {where.nodes}"
    assert not {p.nid, q.nid} & set(where.nodes[:PAGES]), f"the unbound part: {where.nodes[:PAGES]}"
    memory.verify()


@requirement("MPL-01")
@pytest.mark.parametrize("kind", [pytest.param("base", marks=core), "huge"])
def test_pages_are_zeroed_whoever_had_them(
    p: PrivateNode, mod: TestModule, anon: AnonFactory, kind: str
) -> None:
    before = anon(**KINDS[kind])
    before.bind(Mode.BIND, [p.nid])
    before.touch(full=True)
    assert located(mod, before).all_on(p.nid)
    before.close()
    memory = anon(**KINDS[kind])
    memory.bind(Mode.BIND, [p.nid])
    for index in range(memory.pages):
        memory.view[(index + 1) * PAGE_SIZE - 1] = 0
    assert located(mod, memory).all_on(p.nid)
    assert memory.first_nonzero() is None, "a page with the contents of its last owner"


@requirement("MPL-01")
@core
def test_page_read_before_it_is_written(p: PrivateNode, mod: TestModule, anon: AnonFactory) -> None:
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [p.nid])
    assert memory.zeroed()
    zero = located(mod, memory)
    assert all(pfn is not None and is_zero_page(pfn) for pfn in zero.frames), f"read faults: {zero}"
    memory.touch()
    where = located(mod, memory)
    assert where.all_on(p.nid), f"written after being read: {where}"
    memory.verify()


@requirement("MPL-01")
@core
def test_pages_go_back_when_unmapped(p: PrivateNode, anon: AnonFactory) -> None:
    memory = anon(PAGES)
    memory.bind(Mode.BIND, [p.nid])
    before = stable_free_pages(p)
    memory.touch()
    assert stable_free_pages(p) == before - PAGES
    memory.close()
    assert stable_free_pages(p) == before

# SPDX-License-Identifier: GPL-2.0-only
"""REG-05, REG-06 and their errors: migrate_pages(2) and move_pages(2) between ordinary nodes."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.cgroups import CpusetFactory
from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.process import Child, ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL
from helpers.memory import Mapping
from helpers.outcome import OK, outcome
from helpers.syscalls import migrate_pages, move_pages, move_pages_result
from helpers.testmod import TestModule
from selftests.errnos import BAD_POINTER, MOST
from selftests.mempolicy.placing import HUGE, PAGES
from selftests.migration.moves import names, share
from selftests.migration.tasks import hold, holder
from selftests.oracle import Span, located, placed

NOBODY = 65534
#: No process has it: pid_max is at most 4194304.
NO_PID = 1 << 30
ROUTES = ("D>E", "E>D")
KINDS = {
    "base": {"pages": PAGES},
    "shmem": {"pages": PAGES, "shared": True},
    "huge": {"pages": 2 * HUGE, "thp": True},
}
routes = pytest.mark.parametrize("route", ROUTES)
kinds = pytest.mark.parametrize(
    "kind", [pytest.param("base", marks=core), pytest.param("shmem", marks=core), "huge"]
)


def ends(ordinary: dict[str, int], route: str) -> tuple[int, int]:
    source, target = (ordinary[letter] for letter in route.split(">"))
    return source, target


@requirement("REG-05")
@routes
@kinds
def test_migrate_pages_moves_a_task(
    ordinary: dict[str, int], mod: TestModule, child: ChildFactory, route: str, kind: str
) -> None:
    source, target = ends(ordinary, route)
    worker = child.start(holder, KINDS[kind], source, lean=True)
    memory = worker.step()
    left = migrate_pages(worker.pid, [source], [target])
    where = located(mod, memory, worker.pid)
    assert where.all_on(target), f"{route}: {left} not moved; {where}"
    worker.finish()


@requirement("REG-05")
@core
def test_migrate_pages_keeps_to_the_nodes_named(
    ordinary: dict[str, int], mod: TestModule, child: ChildFactory
) -> None:
    """From a node where the task has nothing, and to the node where it is already: nothing moves."""
    worker = child.start(holder, KINDS["base"], ordinary["E"], lean=True)
    memory = worker.step()
    frames = located(mod, memory, worker.pid).frames
    for old, new in (("D", "E"), ("E", "E")):
        migrate_pages(worker.pid, [ordinary[old]], [ordinary[new]])
        assert located(mod, memory, worker.pid).frames == frames, f"{old} to {new}"
    worker.finish()


@requirement("REG-05")
@core
def test_migrate_pages_keeps_relative_places(
    ordinary: dict[str, int], mod: TestModule, child: ChildFactory
) -> None:
    """{D,E} to {D,E} is the identity, page by page."""
    worker = child.start(holder, KINDS["base"], ordinary["E"], lean=True)
    memory = worker.step()
    frames = located(mod, memory, worker.pid).frames
    assert migrate_pages(worker.pid, ordinary.values(), ordinary.values()) == 0
    assert located(mod, memory, worker.pid).frames == frames
    worker.finish()


@requirement("REG-05")
@core
def test_migrate_pages_leaves_what_others_map_without_privilege(
    ordinary: dict[str, int], mod: TestModule, child: ChildFactory, anon: AnonFactory
) -> None:
    memory = placed(anon(PAGES), ordinary["E"])
    worker = child.start(share, memory)
    worker.step()

    def own() -> int:
        return migrate_pages(0, [ordinary["E"]], [ordinary["D"]])

    child(own, uid=NOBODY)
    assert located(mod, memory).all_on(ordinary["E"]), f"{located(mod, memory)}"
    migrate_pages(worker.pid, [ordinary["E"]], [ordinary["D"]])
    assert located(mod, memory).all_on(ordinary["D"]), f"the control, with privilege: {located(mod, memory)}"
    worker.finish()


@requirement("REG-05")
@core
@routes
def test_migrate_pages_returns_what_did_not_move(
    ordinary: dict[str, int], mod: TestModule, child: ChildFactory, route: str
) -> None:
    source, target = ends(ordinary, route)

    def body() -> Iterator[object]:
        with Mapping.anonymous(PAGES) as memory:
            placed(memory, source)
            pin = mod.pin(memory.addr, 3)
            yield Span(memory.addr, PAGES)
            yield migrate_pages(0, [source], [target])
            mod.unpin(pin)
            yield migrate_pages(0, [source], [target])
            memory.verify()

    # Without privilege what it shares with this process stays, and is not counted.
    worker = child.start(body, uid=NOBODY)
    memory, left = worker.step(), worker.step()
    assert located(mod, memory, worker.pid).nodes == [source] * 3 + [target] * (PAGES - 3)
    assert left == 3, "the pinned ones"
    assert worker.step() == 0, "once nothing pins them"
    assert located(mod, memory, worker.pid).all_on(target)
    worker.finish()


@requirement("REG-05a")
@core
def test_migrate_pages_errors(ordinary: dict[str, int], q: PrivateNode, child: ChildFactory) -> None:
    d, e = [ordinary["D"]], [ordinary["E"]]
    worker = child.start(holder, KINDS["base"], ordinary["D"], lean=True)
    worker.step()
    cases: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
        "good": ((worker.pid, d, e), {}, OK),
        "no-such-task": ((NO_PID, d, e), {}, "ESRCH"),
        "pid-negative": ((-1, d, e), {}, "ESRCH"),
        "old-pointer-bad": ((worker.pid, BAD_POINTER, e), {}, "EFAULT"),
        "new-pointer-bad": ((worker.pid, d, BAD_POINTER), {}, "EFAULT"),
        "new-empty": ((worker.pid, d, []), {}, "EINVAL"),
        "new-null": ((worker.pid, d, None), {}, "EINVAL"),
        "new-beyond-all": ((worker.pid, d, [2047]), {}, "EINVAL"),
        "old-beyond-all": ((worker.pid, [2047], e), {}, "EINVAL"),
        "maxnode-more-than-a-page": ((worker.pid, d, e), {"maxnode": MOST + 1}, "EINVAL"),
        "kernel-thread": ((2, d, e), {}, "EINVAL"),
    }
    found = {name: outcome(migrate_pages, *args, **more) for name, (args, more, _result) in cases.items()}
    assert found == {name: result for name, (_args, _more, result) in cases.items()}
    assert child(outcome, migrate_pages, worker.pid, d, e, uid=NOBODY) == "EPERM", "another user's task"


@requirement("REG-05")
@core
def test_migrate_pages_beyond_the_cpuset(
    ordinary: dict[str, int], child: ChildFactory, cpuset: CpusetFactory
) -> None:
    """To a node that the caller may not use: EPERM without CAP_SYS_NICE, EINVAL with it."""
    group = cpuset([ordinary["D"]])
    call = (migrate_pages, 0, [ordinary["D"]], [ordinary["E"]])
    assert child(outcome, *call, cgroup=group, uid=NOBODY, lean=True) == "EPERM"
    assert child(outcome, *call, cgroup=group, lean=True) == "EINVAL"
    assert child(outcome, *call, cgroup=cpuset(ordinary.values()), lean=True) == OK


@requirement("REG-06")
@routes
@kinds
def test_move_pages_moves(
    ordinary: dict[str, int], mod: TestModule, anon: AnonFactory, route: str, kind: str
) -> None:
    source, target = ends(ordinary, route)
    memory = placed(anon(**KINDS[kind]), source)
    addrs = memory.addrs(step=HUGE if kind == "huge" else 1)
    assert move_pages(0, addrs, None) == [source] * len(addrs), "the query before"
    assert move_pages_result(0, addrs, [target] * len(addrs), MPOL_MF_MOVE) == (0, [target] * len(addrs))
    assert located(mod, memory).all_on(target), f"{route}: {located(mod, memory)}"
    assert move_pages(0, memory.addrs(), None) == [target] * memory.pages, "the query afterwards"
    memory.verify()


@requirement("REG-06")
@core
def test_move_pages_page_by_page(ordinary: dict[str, int], mod: TestModule, anon: AnonFactory) -> None:
    memory = placed(anon(PAGES), ordinary["D"])
    targets = [ordinary["DE"[index % 2]] for index in range(PAGES)]
    assert move_pages_result(0, memory.addrs(), targets, MPOL_MF_MOVE) == (0, targets)
    assert located(mod, memory).nodes == targets
    memory.verify()


@requirement("REG-06")
@core
def test_move_pages_returns_what_did_not_move(
    ordinary: dict[str, int], mod: TestModule, anon: AnonFactory
) -> None:
    memory = placed(anon(PAGES), ordinary["D"])
    pin = mod.pin(memory.addr, 3)
    to_e = [ordinary["E"]] * PAGES
    result, _status = move_pages_result(0, memory.addrs(), to_e, MPOL_MF_MOVE)
    assert located(mod, memory).nodes == [ordinary["D"]] * 3 + to_e[3:]
    assert result == 3, "the pinned ones"
    mod.unpin(pin)
    assert move_pages_result(0, memory.addrs(), to_e, MPOL_MF_MOVE) == (0, to_e), "the control"
    memory.verify()


@requirement("REG-06")
@core
def test_move_pages_of_another_task(ordinary: dict[str, int], mod: TestModule, child: ChildFactory) -> None:
    worker = child.start(hold, PAGES, 5)
    memory = worker.step()
    addrs = [memory.addr + index * syscalls.PAGE_SIZE for index in range(PAGES)]
    for nid in (ordinary["E"], ordinary["D"]):
        assert move_pages(worker.pid, addrs, [nid] * PAGES, MPOL_MF_MOVE) == [nid] * PAGES
        assert located(mod, memory, worker.pid).all_on(nid)
    worker.finish()


@requirement("REG-06")
@core
def test_status_of_each_kind_of_page(
    ordinary: dict[str, int], anon: AnonFactory, child: ChildFactory
) -> None:
    """Its node; EFAULT for a hole and the zero page, ENOENT for an untouched one, EACCES for a shared one."""
    d, e = ordinary["D"], ordinary["E"]
    shared = placed(anon(1), d)
    worker: Child = child.start(share, shared)
    worker.step()
    own, bare = placed(anon(3), d), anon(2)
    own.unmap(1, 1)
    bare.read_fault(first=1)
    addrs = [own.page_addr(0), own.page_addr(1), *bare.addrs(), shared.addr, own.page_addr(2)]
    asked = names(move_pages(0, addrs, None))
    assert asked == [d, "EFAULT", "ENOENT", "EFAULT", d, d], "asked"
    result, moved = move_pages_result(0, addrs, [e] * len(addrs), MPOL_MF_MOVE)
    assert (result, names(moved)) == (0, [e, "EFAULT", "ENOENT", "EFAULT", "EACCES", e]), "moved"
    assert move_pages(0, [shared.addr], [e], MPOL_MF_MOVE_ALL) == [e]
    worker.finish()


@requirement("REG-06a")
@core
def test_move_pages_errors(ordinary: dict[str, int], anon: AnonFactory, child: ChildFactory) -> None:
    memory = placed(anon(2), ordinary["D"])
    addrs, to_e = memory.addrs(), [ordinary["E"]] * 2
    raw, here = syscalls.move_pages_raw, memory.addr
    cases: dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]] = {
        "good": (move_pages, (0, addrs, to_e, MPOL_MF_MOVE), OK),
        "nothing": (move_pages, (0, [], [], MPOL_MF_MOVE), OK),
        "flags-unknown": (move_pages, (0, addrs, to_e, 1 << 10), "EINVAL"),
        "flags-strict": (move_pages, (0, addrs, to_e, 1), "EINVAL"),
        "no-such-task": (move_pages, (NO_PID, addrs, to_e, MPOL_MF_MOVE), "ESRCH"),
        "node-negative": (move_pages, (0, addrs, [-1, -1], MPOL_MF_MOVE), "ENODEV"),
        "node-beyond-all": (move_pages, (0, addrs, [4096, 4096], MPOL_MF_MOVE), "ENODEV"),
        "pages-pointer-bad": (raw, (0, 2, BAD_POINTER, here, here, MPOL_MF_MOVE), "EFAULT"),
        "nodes-pointer-bad": (raw, (0, 2, here, BAD_POINTER, here, MPOL_MF_MOVE), "EFAULT"),
        "status-pointer-bad": (raw, (0, 1, here, 0, BAD_POINTER, 0), "EFAULT"),
        "kernel-thread": (move_pages, (2, addrs, to_e, MPOL_MF_MOVE), "EINVAL"),
    }
    found = {name: outcome(call, *args) for name, (call, args, _result) in cases.items()}
    assert found == {name: result for name, (_call, _args, result) in cases.items()}
    worker = child.start(hold, 1, 1)
    other = worker.step()
    move = (outcome, move_pages, worker.pid, [other.addr], [ordinary["E"]], MPOL_MF_MOVE)
    assert child(*move, uid=NOBODY) == "EPERM", "another user's task"
    every = (outcome, move_pages, os.getpid(), addrs, to_e, MPOL_MF_MOVE_ALL)
    assert child(*every, uid=NOBODY) == "EPERM", "MOVE_ALL without privilege"


@requirement("REG-06")
@core
def test_move_pages_beyond_the_cpuset(
    ordinary: dict[str, int], mod: TestModule, child: ChildFactory, cpuset: CpusetFactory
) -> None:
    worker = child.start(hold, 2, 3, cgroup=cpuset([ordinary["D"]]), lean=True)
    memory = worker.step()
    addrs = [memory.addr, memory.addr + syscalls.PAGE_SIZE]
    assert outcome(move_pages, worker.pid, addrs, [ordinary["E"]] * 2, MPOL_MF_MOVE) == "EACCES"
    assert located(mod, memory, worker.pid).all_on(ordinary["D"])
    worker.finish()

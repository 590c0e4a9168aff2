# SPDX-License-Identifier: GPL-2.0-only
"""SVC-09, SVC-09a: what the OOM killer makes of P. Ineligible: not RECLAIM and DEMOTION together."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from fixtures.invariants import allow_splat, oom_expected
from fixtures.nodes import MIB, OpenNode
from fixtures.process import Child, ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import MADV_POPULATE_WRITE, MCL_CURRENT, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.outcome import OK, outcome
from helpers.testmod import Ops
from helpers.wait import wait_until

PAGES = 2048
#: Room beyond what the tasks take at first: what is free to one CPU is not quite what is free.
SLACK = 512
#: Pages that a task takes at a time.
STEP = 16
USABLE = Ops.MIGRATION | Ops.MEMPOLICY
INELIGIBLE = {"neither": USABLE, "reclaim": USABLE | Ops.RECLAIM, "demotion": USABLE | Ops.DEMOTION}
ELIGIBLE = USABLE | Ops.RECLAIM | Ops.DEMOTION
#: Larger than all else on the machine, and so the first choice of who looks for the largest task.
LARGE = 96 * MIB // PAGE_SIZE


def has_memory(pid: int) -> bool:
    """False for a task that has given back what it had, or is gone."""
    try:
        return Path(f"/proc/{pid}/statm").read_text().split()[1] != "0"
    except (FileNotFoundError, ProcessLookupError):
        return False


def holder(by: str, nid: int | None, pages: int, more: int = 0, until: Iterable[int] = ()) -> Iterator[None]:
    """A task that has taken some memory by a policy (or none), and later takes more, at most until one of
    those tasks has lost its own."""
    syscalls.mlockall(MCL_CURRENT)  # all it needs beside that is its own
    syscalls.munlockall()
    if by == "set_mempolicy":
        syscalls.set_mempolicy(Mode.BIND, [nid])
    with Mapping.anonymous(pages + more) as memory:
        if by == "mbind":
            memory.bind(Mode.BIND, [nid])
        memory.advise(MADV_POPULATE_WRITE, count=pages)
        yield
        for first in range(pages, pages + more, STEP):
            memory.touch(first=first, count=STEP)
            if not all(has_memory(pid) for pid in until):
                break
        yield


def went_first(*workers: Child) -> list[bool]:
    """Who is gone, now that the memory of at least one of them has been used by another."""
    wait_until(lambda: not all(worker.alive for worker in workers), 10, "one of them to be killed")
    return [not worker.alive for worker in workers]


@requirement("SVC-09")
@oom_expected
@pytest.mark.parametrize("by", ["mbind", "set_mempolicy"])
@pytest.mark.parametrize("flags", INELIGIBLE.values(), ids=INELIGIBLE)
def test_only_who_has_memory_there(open_node: OpenNode, child: ChildFactory, flags: Ops, by: str) -> None:
    """A large task without a policy has nothing on P: its death would help nobody."""
    node = open_node(flags)
    large = child.start(holder, "none", None, LARGE)
    large.step()
    with node.fill(leave=PAGES + SLACK, reserves=True):
        bound = child.start(holder, by, node.nid, PAGES, 2 * PAGES)
        bound.step()
        death = bound.wait_end(60)
    assert death, f"{node}: who took too much got it"
    assert large.alive, f"{node}: a task without memory there was killed"


@requirement("SVC-09")
@oom_expected
@pytest.mark.parametrize("by", ["mbind", "set_mempolicy"])
def test_who_holds_it_is_found(open_node: OpenNode, child: ChildFactory, by: str) -> None:
    """The one that asks last for a little is not to blame: the one that has nearly all of P is."""
    node = open_node(USABLE)
    with node.fill(leave=PAGES + SLACK, reserves=True):
        large = child.start(holder, by, node.nid, PAGES)
        large.step()
        small = child.start(holder, by, node.nid, SLACK // 4, 2 * SLACK, [large.pid])
        small.step()
        small.step()
        assert went_first(large, small) == [True, False], f"{node}"


def populated(nid: int, pages: int) -> str:
    """For a child: what the kernel says when it is to have that many pages on the node."""
    with Mapping.anonymous(pages) as memory:
        memory.bind(Mode.BIND, [nid])
        return outcome(memory.advise, MADV_POPULATE_WRITE)


@requirement("SVC-09")
@oom_expected
@allow_splat("page allocation failure: order:0,.*__GFP_PRIVATE", reason="mm/page_alloc.c: said with ENOMEM")
def test_nobody_can_be_killed(open_node: OpenNode, child: ChildFactory) -> None:
    """Who wants too much is spared, and nobody else has anything there: a matter of P, not of the machine.
    Asked for in one call, which says no; a page that is touched would be tried for ever."""
    node = open_node(USABLE)
    with node.fill(leave=PAGES + SLACK, reserves=True):
        assert child(populated, node.nid, 2 * PAGES, oom_score_adj=-1000) == "ENOMEM", f"{node}"
        assert child(populated, node.nid, PAGES, oom_score_adj=-1000) == OK, f"the control, {node}"


@requirement("SVC-09a")
@oom_expected
@pytest.mark.parametrize("flags", [*INELIGIBLE.values(), ELIGIBLE], ids=[*INELIGIBLE, "eligible"])
def test_weight_of_the_node(open_node: OpenNode, child: ChildFactory, flags: Ops) -> None:
    """oom_score_adj is in thousandths of what the allocation could have had. Of an ineligible P that is
    nothing, so the larger task is killed, and else the one that is marked."""
    node = open_node(flags)
    with node.fill(leave=PAGES + PAGES // 2 + 2 * SLACK, reserves=True):
        large = child.start(holder, "mbind", node.nid, PAGES)
        marked = child.start(holder, "mbind", node.nid, PAGES // 2, oom_score_adj=900)
        large.step()
        marked.step()
        third = child.start(holder, "mbind", node.nid, SLACK, 2 * SLACK, [large.pid, marked.pid])
        third.step()
        third.step()
        assert went_first(large, marked) == ([False, True] if flags == ELIGIBLE else [True, False]), f"{node}"

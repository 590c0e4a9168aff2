# SPDX-License-Identifier: GPL-2.0-only
"""Splits: huge pages of P are split, by all that splits one, and memory of D beside them is collapsed into
new ones."""

import os
from pathlib import Path

from helpers import syscalls
from helpers.constants import MADV_COLLAPSE, MADV_DONTNEED, MADV_PAGEOUT
from helpers.outcome import OK
from selftests.stress.actor import HUGE, Actor
from selftests.stress.owned import Owned

SPLITTER = Path("/sys/kernel/debug/split_huge_pages")
READ, BOTH = syscalls.PROT_READ, syscalls.PROT_READ | syscalls.PROT_WRITE


def play(me: Actor) -> None:
    while me.going():
        with me.bound(HUGE, me.rng.choice(["P", "PQ", "D"]), thp=True) as memory:
            me.rng.choice([_drop, _protect, _move_one, _by_debugfs, _pageout])(me, memory)
            memory.check(*range(0, HUGE, 7))
            # MADV_COLLAPSE of what is huge does nothing and says 0.
            name = "collapse" if memory.smaps()["AnonHugePages"] else "collapse of pieces"
            # What is on a private node is not collapsed: EINVAL; a page that somebody holds is EAGAIN or
            # EBUSY.
            me.do(name, memory.advise, MADV_COLLAPSE, allowed=["EINVAL", "EAGAIN", "EBUSY", "ENOMEM"])
            memory.write(*range(0, HUGE, 5))
            memory.check()


def _drop(me: Actor, memory: Owned) -> None:
    first, count = me.some(HUGE, 64)
    if me.do("dontneed", memory.advise, MADV_DONTNEED, first=first, count=count) == OK:
        memory.forget(*range(first, first + count))


def _protect(me: Actor, memory: Owned) -> None:
    first, count = me.some(HUGE, 64)
    me.do("mprotect", memory.protect, READ, first=first, count=count)
    memory.check(first)
    syscalls.mprotect(memory.page_addr(first), count * syscalls.PAGE_SIZE, BOTH)


def _move_one(me: Actor, memory: Owned) -> None:
    first, count = me.some(HUGE, 8)
    me.do(
        "mbind", memory.bind, syscalls.Mode.BIND, [me.node()], syscalls.MPOL_MF_MOVE, first=first, count=count
    )


def _by_debugfs(me: Actor, memory: Owned) -> None:
    if SPLITTER.exists():
        words = f"{os.getpid()},{memory.addr:#x},{memory.end:#x}"
        me.do("split_huge_pages", SPLITTER.write_text, words, allowed=["EINVAL", "EAGAIN", "EBUSY"])


def _pageout(me: Actor, memory: Owned) -> None:
    me.do("pageout", memory.advise, MADV_PAGEOUT)

# SPDX-License-Identifier: GPL-2.0-only
"""FLT-09: futexes on P. The key of a private word is its address, that of a shared one the page behind it: on
neither kind of page is anybody left asleep, or woken for nothing."""

import errno
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from fixtures.nodes import PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import TestModule
from helpers.wait import wait_until
from selftests.filters.kinds import OnNode
from selftests.migration.moves import moved
from selftests.noops.pages import Frozen

WAIT, WAKE, CMP_REQUEUE, PRIVATE = 0, 1, 4, 128  # include/uapi/linux/futex.h
#: Words of a page, beside what touch() writes: zero until somebody stores there.
FIRST, SECOND = 2048, 2056
scopes = pytest.mark.parametrize("scope", [PRIVATE, 0], ids=["private", "shared"])


def futex(address: int, op: int, value: int, value2: int = 0, address2: int = 0, value3: int = 0) -> int:
    return syscalls.call("futex", address, op, value, value2, address2, value3)


def wake(address: int, scope: int, most: int = 1) -> Callable[[], int]:
    return lambda: futex(address, WAKE | scope, most)


def started(call: Callable[..., Any], *args: Any) -> Thread:
    thread = Thread(target=call, args=args, daemon=True)
    thread.start()
    return thread


def ended(thread: Thread) -> None:
    thread.join(20)
    assert not thread.is_alive(), "woken, but still there"


@pytest.fixture
def held(p: PrivateNode, memory_on: OnNode) -> Mapping:
    """Pages on P, which is open."""
    return memory_on(p.nid)


@requirement("FLT-09")
@scopes
def test_threads_wait_and_wake(held: Mapping, scope: int) -> None:
    stay = Frozen(held)
    word = held.addr + FIRST
    assert wake(word, scope)() == 0, "nobody waits yet"
    with pytest.raises(BlockingIOError) as refused:
        futex(word, WAIT | scope, 7)
    assert refused.value.errno == errno.EAGAIN, "the word is another one"
    waiter = started(futex, word, WAIT | scope, 0)
    assert wait_until(wake(word, scope), 20, "a waiter to wake") == 1
    ended(waiter)
    assert wake(word, scope)() == 0, "the waiter is gone"
    stay.check("futex")


@requirement("FLT-09")
@scopes
def test_waiters_are_requeued(held: Mapping, scope: int) -> None:
    """From one word on P to another, in a page further on."""
    stay = Frozen(held)
    word, other = held.addr + FIRST, held.page_addr(held.pages - 1) + SECOND
    waiter = started(futex, word, WAIT | scope, 0)
    wait_until(lambda: futex(word, CMP_REQUEUE | scope, 0, 1, other, 0) == 1, 20, "a waiter to be requeued")
    assert wake(word, scope)() == 0, "woken by the word that it has left"
    assert wake(other, scope)() == 1, "not woken by the word that it went to"
    ended(waiter)
    stay.check("futex")


@requirement("FLT-09")
@scopes
def test_the_page_moves_under_a_waiter(
    held: Mapping, mod: TestModule, ordinary_node: Node, scope: int
) -> None:
    """Off P while somebody waits: the wake-up by the new frame still finds the waiter."""
    word = held.addr + FIRST
    before = residency(held).frames
    waiter = started(futex, word, WAIT | scope, 0)
    wait_until(lambda: futex(word, CMP_REQUEUE | scope, 0, 1, word, 0) == 1, 20, "a waiter")
    moved(mod, held, ordinary_node.nid)
    assert residency(held).frames != before
    assert wake(word, scope)() == 1, "the waiter was lost with the old frame"
    ended(waiter)
    held.verify()


@requirement("FLT-09")
@pytest.mark.parametrize("kind", ["shmem"])
def test_processes_share_a_word(held: Mapping, child: ChildFactory, kind: str) -> None:
    """Two processes map the page of P; neither has the other's addresses for its own key."""
    stay = Frozen(held)

    def wait() -> int:
        with Mapping.anonymous(3):  # so that nothing need lie where it does in the parent
            return futex(held.addr + FIRST, WAIT, 0)

    waiter = child.start(wait)
    assert wait_until(wake(held.addr + FIRST, 0), 20, "a process to wake") == 1
    assert waiter.finish() == 0
    stay.check("futex")

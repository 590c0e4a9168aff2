# SPDX-License-Identifier: GPL-2.0-only
"""Unplug: a private node comes, is used by the others, and goes with what they have on it, over and over."""

import signal

from helpers.nodes import Node
from helpers.outcome import OK
from helpers.testmod import Callbacks, OnlineType
from helpers.wait import wait_until
from selftests.stress.actor import REFUSED, Actor, Unexpected

#: Seconds after which an unplug is interrupted, to be tried again: somebody may hold a page.
PATIENCE = 2.0
#: Errnos of an unplug that others are in the way of, or its own signal.
LATER = ("EBUSY", "EINTR")
#: Of memory for which KASAN gets no shadow when it comes online: its notifier knows no errno.
UNSHADOWED = ("EPERM",)
#: Seconds until a thread that was stopped has left the process table.
ENDED = 3.0
#: Seconds until the last unplug has to succeed: the others are gone by then.
LAST = 15.0


def play(me: Actor) -> None:
    extent = me.world.extent
    assert extent is not None
    signal.signal(signal.SIGALRM, lambda *_: None)
    refused = REFUSED if me.world.refuse else ()
    shadow = UNSHADOWED if me.world.shadowed else ()
    while me.going():
        if me.do("plug", _plug, me, allowed=refused, when_refused=shadow, exact=True) != OK:
            continue
        me.slow_owner(extent.nid)
        me.pause(me.rng.uniform(0, 0.4))
        _until_gone(me)
        me.silent(extent.nid, "the unplug")
        _no_threads(extent.nid)


def _plug(me: Actor) -> None:
    extent = me.world.extent
    assert extent is not None
    me.module.plug(
        extent.nid, extent.start, extent.size,
        online_type=OnlineType.MOVABLE, ops=me.world.flags, callbacks=Callbacks.ALL,
    )  # fmt: skip


def _no_threads(nid: int) -> None:
    """Unexpected when a thread of the kernel goes on for a node without memory."""
    node = Node(nid)
    try:
        wait_until(lambda: not node.kernel_threads(), ENDED, "")
    except TimeoutError:
        names = ", ".join(sorted(node.kernel_threads()))
        raise Unexpected(f"node {nid} has no memory any more, and {names} runs for it") from None


def _until_gone(me: Actor) -> None:
    """Try until it has succeeded; TimeoutError when it does not although nobody is there any more."""
    while me.going():
        if me.do("unplug", _unplug, me, allowed=LATER, exact=True) == OK:
            return
    wait_until(
        lambda: me.do("unplug", _unplug, me, allowed=LATER, exact=True) == OK,
        LAST,
        "the node to be free, at the end",
    )


def _unplug(me: Actor) -> None:
    extent = me.world.extent
    assert extent is not None
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE)
    try:
        me.module.unplug(extent.nid, extent.start, extent.size)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)

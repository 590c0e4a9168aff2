# SPDX-License-Identifier: GPL-2.0-only
"""Watermark boosts as the owner of P raises them, and the kswapd that the owner runs on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fixtures.nodes import PrivateNode
from helpers.testmod import Feature
from helpers.wait import wait_until

__all__ = ["boost_of", "boosted_passes", "with_kswapd"]

#: Passes of kswapd to wait for: the first ones may do no more than age the pages.
PASSES = 20


@contextmanager
def with_kswapd(node: PrivateNode) -> Iterator[None]:
    """kswapd runs on the node, as its owner wants it. The test is skipped where a module cannot have it."""
    if Feature.KSWAPD not in node.mod.handshake.features:
        pytest.skip("needs a kernel whose kswapd_run() the module reaches")
    node.mod.kswapd_run(node.nid)
    try:
        yield
    finally:
        node.mod.kswapd_stop(node.nid)
        if node.managed_pages():
            node.mod.kswapd_wake(node.nid, 0)  # nobody to wake: the boost is gone


def boost_of(node: PrivateNode) -> int:
    """Pages of boost of the node's zones (/proc/zoneinfo)."""
    return sum(zone.watermarks.boost for zone in node.node.zones())


def boosted_passes(
    node: PrivateNode,
    boost: int,
    done: Callable[[], object],
    what: str | Callable[[], str],
    seconds: float = 20,
) -> None:
    """Boost and wake kswapd until that is so; a wake-up while it is busy is lost. TimeoutError if not."""

    def again() -> object:
        if done():
            return True
        node.mod.kswapd_wake(node.nid, boost)
        return False

    wait_until(again, seconds, what, pause=0.05)

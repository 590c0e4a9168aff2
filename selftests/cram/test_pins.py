# SPDX-License-Identifier: GPL-2.0-only
"""CRM-15: who wants demoted memory for long, for DMA say, gets it in ordinary memory."""

from collections.abc import Iterator

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.tiers import ColdFactory, Work
from helpers.memory import Mapping
from helpers.nodes import Node
from helpers.testmod import TestModule
from selftests.cram.arrival import MakeCram, arrive

HUGE = 512  # base pages


def pinned_later(write: bool, fast: bool, longterm: bool) -> Work:
    def work(memory: Mapping) -> Iterator[list[int]]:
        with TestModule.open() as mod:
            pin = mod.pin(memory.addr, memory.pages, longterm=longterm, write=write, fast=fast)
            yield list(pin.nids)
            mod.unpin(pin)
        memory.verify(full=True)
        yield []

    return work


@requirement("CRM-15")
@pytest.mark.parametrize("fast", [False, True], ids=["slow", "fast"])
@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
@pytest.mark.parametrize("thp", [False, True], ids=["base", "thp"])
def test_long_term_pins_are_on_ordinary_memory(
    cram: MakeCram, cold: ColdFactory, ordinary_nodes: list[Node], thp: bool, write: bool, fast: bool
) -> None:
    node = cram()
    memory = cold(HUGE, thp=thp, then=pinned_later(write, fast, longterm=True))
    arrive(memory, node)
    pinned = memory.step()
    assert len(pinned) == memory.pages, f"{len(pinned)} of {memory.pages} pages are pinned"
    assert set(pinned) <= {one.nid for one in ordinary_nodes}, f"pinned on nodes {set(pinned)}"
    assert not memory.where().any_on(node.nid), f"{memory.where()}"
    memory.verify()


@requirement("CRM-15")
def test_a_short_pin_to_read_moves_nothing(cram: MakeCram, cold: ColdFactory) -> None:
    """The control: it is the length of the pin that moves the pages."""
    node: PrivateNode = cram()
    memory = cold(HUGE, then=pinned_later(write=False, fast=False, longterm=False))
    before = arrive(memory, node)
    assert memory.step() == before.nodes
    assert memory.where().frames == before.frames, f"{before}, now {memory.where()}"
    memory.verify()

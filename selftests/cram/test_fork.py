# SPDX-License-Identifier: GPL-2.0-only
"""CRM-11: memory that a parent and its child share, copy on write, and that has been demoted."""

import os
from collections.abc import Iterator

import pytest

from fixtures.requirement import requirement
from fixtures.tiers import ColdFactory, Work
from helpers.memory import Mapping
from helpers.nodes import Node
from selftests.cram.arrival import MakeCram, arrive

HUGE = 512  # base pages


def family(writer: str, forks: str) -> Work:
    """Parent and child; one of them writes. Yields the child's pid before that (if it is there by then), and
    again once both have seen what they should."""

    def wrote(memory: Mapping, mine: bool) -> None:
        if mine:
            memory.touch(2, full=True)
        memory.verify(2 if mine else 1, full=True)

    def child(memory: Mapping, orders: int, answers: int) -> None:
        try:
            os.read(orders, 1)
            wrote(memory, writer == "child")
            os.write(answers, b"1")
            os.read(orders, 1)
            os._exit(0)
        finally:
            os._exit(1)

    def work(memory: Mapping) -> Iterator[int]:
        if forks == "after":
            yield 0
        order, orders = os.pipe()
        answer, answers = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(orders)
            child(memory, order, answers)
        os.close(answers)
        yield pid
        if writer == "parent":
            memory.touch(2, full=True)
        os.write(orders, b"1")
        assert os.read(answer, 1), "the child saw something else"
        wrote(memory, writer == "parent")
        yield pid
        os.close(orders)
        assert os.waitpid(pid, 0)[1] == 0

    return work


@requirement("CRM-11")
@pytest.mark.parametrize("thp", [False, True], ids=["base", "thp"])
@pytest.mark.parametrize("forks", ["before", "after"])
@pytest.mark.parametrize("writer", ["child", "parent"])
def test_shared_folios(
    cram: MakeCram, cold: ColdFactory, ordinary_nodes: list[Node], writer: str, forks: str, thp: bool
) -> None:
    """Forked before or after the demotion: a write promotes the folio, and each sees what it should."""
    node = cram()
    memory = cold(HUGE, thp=thp, then=family(writer, forks))
    if forks == "after":
        memory.step()
        arrive(memory, node)
        memory.step()
    else:
        memory.step()
        arrive(memory, node)
    memory.step()
    found = memory.where()
    assert set(found.counts) <= {one.nid for one in ordinary_nodes}, f"after the {writer}'s write: {found}"
    assert found.present == memory.pages, f"{found}"
    memory.verify()

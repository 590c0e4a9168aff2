# SPDX-License-Identifier: GPL-2.0-only
"""FLT-08: soft offline of a page on P needs a P that is open for migration."""

import errno
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fixtures.nodes import OpenNode
from fixtures.requirement import requirement
from helpers.constants import MADV_SOFT_OFFLINE
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import residency
from helpers.testmod import Ops
from selftests.callbacks.poison import to_be_had
from selftests.filters.kinds import OPEN, OnNode
from selftests.noops.pages import Frozen

pytestmark = pytest.mark.disruptive

SOFT_OFFLINE = Path("/sys/devices/system/memory/soft_offline_page")
UNPOISON = Path("/sys/kernel/debug/hwpoison/unpoison-pfn")
INDEX = 5  # not the first page of a huge page


def by_address(memory: Mapping) -> None:
    memory.advise(MADV_SOFT_OFFLINE, first=INDEX, count=1)


def by_frame(memory: Mapping) -> None:
    pfn = residency(memory).frames[INDEX]
    assert pfn is not None
    SOFT_OFFLINE.write_text(hex(pfn * PAGE_SIZE))


by_call = pytest.mark.parametrize("call", [by_address, by_frame], ids=["madvise", "sysfs"])
Call = Callable[[Mapping], None]


@pytest.fixture
def retired() -> Iterator[list[int | None]]:
    """Frames that the test retires; given back with the test."""
    if not SOFT_OFFLINE.exists():
        pytest.skip("needs soft offline (CONFIG_MEMORY_FAILURE)")
    frames: list[int | None] = []
    yield frames
    for pfn in frames:
        with suppress(OSError):
            UNPOISON.write_text(str(pfn))


@requirement("FLT-08")
@by_call
@pytest.mark.parametrize("flags", [None, Ops.NONE, Ops.RECLAIM], ids=str)
def test_busy_without_migration(
    open_node: OpenNode, memory_on: OnNode, ordinary_node: Node, call: Call, flags: Ops | None,
    retired: list[int | None],
) -> None:  # fmt: skip
    p = open_node(OPEN)
    memory, control = memory_on(p.nid), memory_on(ordinary_node.nid)
    p.clear_ops()
    if flags is not None:
        p.set_ops(flags)
    stay = Frozen(memory)
    assert outcome(call, memory) == errno.errorcode[errno.EBUSY]
    stay.check("soft offline")
    memory.touch(2)
    memory.verify(2)
    retired.append(residency(control).frames[INDEX])
    assert outcome(call, control) == OK, "the control"


@requirement("FLT-08")
@by_call
def test_moves_on_with_migration(
    open_node: OpenNode, memory_on: OnNode, call: Call, retired: list[int | None]
) -> None:
    """The frame is out of use: not even somebody who takes all of P gets it, as he gets the one beside it."""
    p = open_node(OPEN)
    memory = memory_on(p.nid)
    old = residency(memory).frames[INDEX]
    assert old is not None
    retired.append(old)
    assert outcome(call, memory) == OK
    assert residency(memory).frames[INDEX] not in (old, None), f"{residency(memory)}"
    assert residency(memory).present == memory.pages, f"{residency(memory)}"
    memory.verify()
    memory.close()
    assert to_be_had(p, old, old ^ 1) == [False, True], f"the retired frame {old:#x} and the next one"

# SPDX-License-Identifier: GPL-2.0-only
"""Hardware errors on request, who gets the frames afterwards, and the undoing of what they do to them."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from fixtures.nodes import PrivateNode
from helpers.constants import MADV_HWPOISON
from helpers.memory import Mapping
from helpers.residency import residency

_INJECT = Path("/sys/kernel/debug/hwpoison/corrupt-pfn")
_UNPOISON = Path("/sys/kernel/debug/hwpoison/unpoison-pfn")


def need_injection() -> None:
    """Skip the test where errors cannot be made on request, and undone afterwards."""
    if not (_INJECT.exists() and _UNPOISON.exists()):
        pytest.skip("needs debugfs hwpoison (CONFIG_HWPOISON_INJECT)")


def frame(memory: Mapping, index: int) -> int:
    """Frame of a page that is there."""
    pfn = residency(memory).frames[index]
    assert pfn is not None
    return pfn


def by_address(memory: Mapping, index: int) -> None:
    """The page's owner sees the error itself, as a machine check in its own access would show it."""
    memory.advise(MADV_HWPOISON, first=index, count=1)


def by_frame(memory: Mapping, index: int) -> None:
    """As found by a scrubber."""
    inject(frame(memory, index))


def inject(pfn: int) -> None:
    """An error in that frame, used or not. OSError EBUSY: it could not be handled."""
    _INJECT.write_text(str(pfn))


WAYS: dict[str, Callable[[Mapping, int], None]] = {"madvise": by_address, "frame": by_frame}


def to_be_had(node: PrivateNode, *pfns: int) -> list[bool]:
    """Of each frame, whether who takes all of the node, to the last page, gets it. AssertionError when the
    node does not go on working: there is too little to be had."""
    with node.all_taken() as taken:
        pages, managed = sum(one.pages for one in taken), node.managed_pages()
        assert pages > managed * 9 // 10, f"{node} does not go on working: {pages} of {managed} pages"
        if any(len(one.pfns) != one.count for one in taken):
            raise RuntimeError(f"the module did not report every frame: {[len(one.pfns) for one in taken]}")
        blocks = [(first, one.pages // one.count) for one in taken for first in one.pfns]
        return [any(first <= pfn < first + size for first, size in blocks) for pfn in pfns]


def heal(pfn: int) -> None:
    """Gives a frame back once nobody has it."""
    with suppress(OSError):
        _UNPOISON.write_text(str(pfn))

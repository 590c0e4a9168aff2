# SPDX-License-Identifier: GPL-2.0-only
"""Any number of pages from the module, whose requests have bounds (pnode_test.h): nodes of real machines have
more memory than one request may take."""

from helpers.testmod.abi import CONSTANTS
from helpers.testmod.client import Allocation, TestModule
from helpers.testmod.constants import Context, Entry

__all__ = ["Allocations", "alloc_many", "most_at_once"]


class Allocations(list[Allocation]):
    """What several requests got, in their order; given back by free(), or at the end of a `with`."""

    @property
    def pages(self) -> int:
        """Base pages of all."""
        return sum(one.pages for one in self)

    def free(self) -> None:
        """Gives everything back, once."""
        for one in self:
            one.free()

    def __enter__(self) -> "Allocations":
        return self

    def __exit__(self, *_: object) -> None:
        self.free()


def most_at_once(order: int, context: Context = Context.TASK) -> int:
    """Blocks of an order that one request may ask for; fewer where it may dip into the reserves."""
    reserves = context is Context.MEMALLOC
    pages = CONSTANTS["PNT_MAX_RESERVE_PAGES" if reserves else "PNT_MAX_ALLOC_PAGES"]
    return min(pages >> order, CONSTANTS["PNT_MAX_ALLOC_COUNT"])


def alloc_many(
    mod: TestModule, nid: int, *, gfp: int, count: int, order: int = 0, context: Context = Context.TASK
) -> Allocations:
    """Up to `count` blocks by ALLOC_PAGES_NODE, in as many requests as it takes, until one gets less than it
    asked for. Only what got something is in the list.

    OSError: of a request; what others got by then is given back.
    """
    taken = Allocations()
    most = most_at_once(order, context)
    try:
        while count > 0:
            wanted = min(count, most)
            got = mod.alloc(Entry.ALLOC_PAGES_NODE, nid, gfp=gfp, order=order, count=wanted, context=context)
            if got:
                taken.append(got)
            if got.count < wanted:
                break
            count -= wanted
    except BaseException:
        taken.free()
        raise
    return taken

# SPDX-License-Identifier: GPL-2.0-only
"""A list of addresses with one page of each kind that move_pages(2) has a status for."""

from collections.abc import Sequence

from fixtures.memory import AnonFactory
from fixtures.process import ChildFactory
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE_ALL
from helpers.memory import PAGE_SIZE
from helpers.testmod import TestModule
from selftests.migration.moves import names, share
from selftests.oracle import Span, located, placed

Status = int | str
#: A kernel that gives up at the first bad page is found out by the good one at the end.
KINDS = ("movable", "hole", "untouched", "shared", "zero", "busy", "last")
RESIDENT = ("movable", "shared", "busy", "last")


class MixedList:
    """Pages that are all on one node, as far as they are anywhere:

    movable, last: anonymous, of this task alone. shared: a child maps it, too. busy: of the module's device,
    on no LRU list, so that it cannot be isolated. hole: not mapped. untouched: never accessed. zero: only
    read, so it is the zero page.
    """

    def __init__(
        self,
        mod: TestModule,
        child: ChildFactory,
        anon: AnonFactory,
        device: AnonFactory,
        home: int,
        nid: int,
    ) -> None:
        """home: an ordinary node, where anonymous pages are made before they move to `nid`."""
        self._mod = mod
        # First: what is there when the child starts is shared.
        self._shared = placed(anon(1), home)
        self._sharer = child.start(share, self._shared)
        self._sharer.step()
        self._own = placed(anon(3), home)
        self._bare = anon(2)
        self._bare.read_fault(first=1)
        mod.device(nid, PAGE_SIZE)
        self._device = device(1)
        self._device.touch()
        self._own.unmap(1, 1)  # last: the next mapping of a page may be put there
        self._addr = {
            "movable": self._own.page_addr(0),
            "hole": self._own.page_addr(1),
            "untouched": self._bare.page_addr(0),
            "shared": self._shared.addr,
            "zero": self._bare.page_addr(1),
            "busy": self._device.addr,
            "last": self._own.page_addr(2),
        }
        if nid != home:
            ours = self.addrs("movable", "shared", "last")
            syscalls.move_pages(0, ours, [nid] * len(ours), MPOL_MF_MOVE_ALL)
        assert self.where() == dict.fromkeys(RESIDENT, nid), (
            f"not on node {nid} to begin with: {self.where()}"
        )

    def __len__(self) -> int:
        return len(KINDS)

    def addrs(self, *kinds: str) -> list[int]:
        """Addresses of these pages, by default of all."""
        return [self._addr[kind] for kind in kinds or KINDS]

    def where(self) -> dict[str, int | None]:
        """Node by page, as the oracle has it."""
        return {kind: located(self._mod, Span(self._addr[kind], 1)).nodes[0] for kind in RESIDENT}

    def verify(self) -> None:
        """Contents, also as the child sees them; the child ends."""
        self._own.verify(first=0, count=1)
        self._own.verify(first=2, count=1)
        for memory in (self._shared, self._device):
            memory.verify()
        self._sharer.finish()


def by_kind(statuses: Sequence[int]) -> dict[str, Status]:
    """Statuses of the whole list."""
    return dict(zip(KINDS, names(statuses), strict=True))


def expected(nid: int, *, shared: Status, busy: Status) -> dict[str, Status]:
    """Statuses as they have to be: the node for pages that are (now) there, the errnos of move_pages(2)."""
    return {
        "movable": nid,
        "hole": "EFAULT",
        "untouched": "ENOENT",
        "shared": shared,
        "zero": "EFAULT",
        "busy": busy,
        "last": nid,
    }

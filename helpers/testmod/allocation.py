# SPDX-License-Identifier: GPL-2.0-only
"""Memory that the module allocates through one of the kernel's entry points."""

import errno as errno_names
from collections import Counter
from collections.abc import Iterable
from typing import Any, Self

from helpers.testmod import decode
from helpers.testmod.abi import CONSTANTS, REQUESTS, ffi
from helpers.testmod.channel import Channel
from helpers.testmod.constants import Context, Entry, FreeHow
from helpers.testmod.results import Scan

# Units of one allocation that are reported one by one; beyond it only the histogram tells.
MAX_UNITS = 1 << 16


class Allocation:
    """Objects allocated by one call of `AllocationCalls.alloc`; false when there are none.

    count: objects. nids, pfns: one element per unit: a block of the given order, a slab object, else each
    base page (at most MAX_UNITS). on_node: base pages by node id. error: errno of entries that have one, or
    ENOMEM when the module stopped by itself to leave the machine some ordinary memory.
    """

    def __init__(self, module: "AllocationCalls", raw: Any, nids: list[int], pfns: list[int]) -> None:
        self._module = module
        self.id: int = raw.id
        self.count: int = raw.allocated
        self.pages: int = raw.pages
        self.error: int = raw.error
        self.nids = nids
        self.pfns = pfns
        self.on_node: Counter[int] = Counter({nid: n for nid, n in enumerate(raw.on_node) if n})
        if raw.on_other:
            self.on_node[-1] = raw.on_other

    @property
    def nid(self) -> int | None:
        """The node all of it lies on; None when it is empty or on several nodes."""
        return next(iter(self.on_node)) if len(self.on_node) == 1 else None

    def free(self, how: FreeHow | int = FreeHow.AUTO) -> int:
        """Gives everything back, once; a second call does nothing. Returns the objects freed."""
        if not self.id:
            return 0
        freed = self._module.free(self.id, how)
        self.id = 0
        return freed

    def scan(self, word: int = 0, mask: int = 0) -> Scan:
        """What is in the pages: how many are not all zero, and have a word whose masked bits are `word`.

        OSError EINVAL: not an allocation of whole pages.
        """
        return self._module.scan(self.id, word, mask)

    def __bool__(self) -> bool:
        return self.count > 0

    def __len__(self) -> int:
        return self.count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.free()

    def __repr__(self) -> str:
        where = ", ".join(f"node{nid}: {pages} pages" for nid, pages in sorted(self.on_node.items()))
        error = f", {errno_names.errorcode.get(self.error, self.error)}" if self.error else ""
        return f"<Allocation of {self.count}: {where or 'nothing'}{error}>"


class AllocationCalls(Channel):
    """A refusal of the kernel is not an error but an empty `Allocation`."""

    def alloc(
        self,
        entry: Entry | int,
        nid: int,
        *,
        gfp: int,
        order: int = 0,
        count: int = 1,
        nodemask: Iterable[int] | None = None,
        context: Context | int = Context.TASK,
        size: int = 0,
        start_pfn: int = 0,
    ) -> Allocation:
        """Allocates count objects through one kernel entry point, stopping at the first refusal.

        nid -1 means none; size in bytes and start_pfn for the entries that have them; nodemask for the page
        and folio entries that take one. OSError EINVAL: arguments that the entry cannot have, EOPNOTSUPP: an
        entry this kernel does not let a module reach.
        """
        units = decode.unit_bound(entry, count, size, self.handshake.page_size, MAX_UNITS)
        nids, pfns = ffi.new("int32_t[]", units), ffi.new("uint64_t[]", units)
        raw = REQUESTS["ALLOC"].new(
            entry=entry,
            nid=nid,
            order=order,
            context=context,
            count=count,
            gfp=gfp,
            size=size,
            start_pfn=start_pfn,
            nids=decode.address(nids),
            pfns=decode.address(pfns),
            units_len=units,
        )
        if nodemask is not None:
            raw.flags = CONSTANTS["PNT_ALLOC_USE_NODEMASK"]
            for node in nodemask:
                raw.nodemask[node // 64] |= 1 << node % 64
        self._call("ALLOC", raw)
        filled = min(raw.units, units)
        return Allocation(self, raw, ffi.unpack(nids, filled), ffi.unpack(pfns, filled))

    def free(self, allocation_id: int = 0, how: FreeHow | int = FreeHow.AUTO) -> int:
        """Frees an allocation, or with id 0 all of this descriptor. Returns the objects freed."""
        raw = REQUESTS["FREE"].new(id=allocation_id, how=how)
        self._call("FREE", raw)
        return int(raw.freed)

    def scan(self, allocation_id: int, word: int = 0, mask: int = 0) -> Scan:
        """See `Allocation.scan`."""
        raw = REQUESTS["SCAN"].new(id=allocation_id, word=word, mask=mask)
        self._call("SCAN", raw)
        return Scan(raw.pages, raw.nonzero, raw.matching)

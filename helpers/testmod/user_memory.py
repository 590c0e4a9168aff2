# SPDX-License-Identifier: GPL-2.0-only
"""What the module does to memory of user space: pins, folios held, mmu notifiers, a device to map."""

from helpers.testmod import decode
from helpers.testmod.abi import CONSTANTS, REQUESTS, ffi
from helpers.testmod.channel import Channel
from helpers.testmod.results import NotifierCounts, Pin


class UserMemoryCalls(Channel):
    """Raw errnos; all of it ends with the descriptor."""

    def pin(
        self, addr: int, npages: int, *, longterm: bool = False, write: bool = True, fast: bool = False
    ) -> Pin:
        """pin_user_pages() on the caller's memory. Raw errno; fewer pages than asked are a success."""
        flags = CONSTANTS["PNT_PIN_LONGTERM"] if longterm else 0
        flags |= CONSTANTS["PNT_PIN_WRITE"] if write else 0
        flags |= CONSTANTS["PNT_PIN_FAST"] if fast else 0
        pfns, nids = ffi.new("uint64_t[]", npages), ffi.new("int32_t[]", npages)
        raw = REQUESTS["PIN"].new(
            addr=addr, npages=npages, flags=flags, pfns=decode.address(pfns), nids=decode.address(nids)
        )
        self._call("PIN", raw)
        return Pin(
            raw.id, raw.pinned, tuple(ffi.unpack(pfns, raw.pinned)), tuple(ffi.unpack(nids, raw.pinned))
        )

    def unpin(self, pin: Pin | int = 0) -> int:
        """Undoes a pin, or with 0 all of this descriptor. Returns the pages unpinned."""
        raw = REQUESTS["UNPIN"].new(id=pin.id if isinstance(pin, Pin) else pin)
        self._call("UNPIN", raw)
        return int(raw.unpinned)

    def hold(self, addr: int, npages: int, *, writeback: bool = False) -> int:
        """Lock the folios of the caller's anonymous memory, or have them under writeback: whoever wants to
        move them waits until unhold(). Returns the id. Raw errno, EBUSY when one is locked just now."""
        flags = CONSTANTS["PNT_HOLD_WRITEBACK" if writeback else "PNT_HOLD_LOCK"]
        raw = REQUESTS["HOLD"].new(addr=addr, npages=npages, flags=flags)
        self._call("HOLD", raw)
        return int(raw.id)

    def unhold(self, hold: int = 0) -> int:
        """Let go of them, or with 0 of all that this descriptor holds. Returns the folios; ENOENT
        for no such id. Who waits for one on another CPU may give up on it (helpers/testmod/hold.c)."""
        raw = REQUESTS["UNHOLD"].new(id=hold)
        self._call("UNHOLD", raw)
        return int(raw.folios)

    def notifier_start(self, start: int = 0, size: int = 0) -> None:
        """An mmu notifier on the caller's memory, with a window in bytes (0, 0 = everything)."""
        self._notifier("PNT_NOTIFIER_START", start, size)

    def notifier_read(self) -> NotifierCounts:
        return self._notifier("PNT_NOTIFIER_READ")

    def notifier_stop(self) -> NotifierCounts:
        return self._notifier("PNT_NOTIFIER_STOP")

    def _notifier(self, op: str, start: int = 0, size: int = 0) -> NotifierCounts:
        raw = REQUESTS["NOTIFIER"].new(op=CONSTANTS[op], start=start, size=size)
        self._call("NOTIFIER", raw)
        return decode.notifier(raw)

    def device(self, nid: int, size: int) -> None:
        """Makes this descriptor a device of size bytes on nid: mmap(fileno()) gives its pages."""
        self._call("DEVICE", REQUESTS["DEVICE"].new(nid=nid, size=size))

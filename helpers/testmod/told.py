# SPDX-License-Identifier: GPL-2.0-only
"""What the driver of a node is told, and what it answers: callbacks, folios held back, hotplug notifiers."""

from helpers.testmod import decode
from helpers.testmod.abi import CONSTANTS, REQUESTS, ffi
from helpers.testmod.channel import Channel
from helpers.testmod.constants import Callback, Mode
from helpers.testmod.results import Counters, Events, HotplugEvent, Kept


class ToldCalls(Channel):
    """ENODEV: the module never had that node."""

    def events(self, nid: int, limit: int = CONSTANTS["PNT_MAX_EVENTS"]) -> Events:
        """Takes events out of a node's ring. ENODEV: the module never had that node."""
        entries = ffi.new("struct pnt_event[]", limit)
        raw = REQUESTS["EVENTS"].new(nid=nid, max=limit, events=decode.address(entries))
        self._call("EVENTS", raw)
        return Events(tuple(decode.event(entries[i]) for i in range(raw.count)), raw.left, raw.lost)

    def counters(self, nid: int, *, reset: bool = False) -> Counters:
        """Calls of a node's callbacks since the last reset, which empties the ring too."""
        raw = REQUESTS["COUNTERS"].new(nid=nid, flags=CONSTANTS["PNT_COUNTERS_RESET"] if reset else 0)
        self._call("COUNTERS", raw)
        return decode.counters(raw)

    def program(
        self, nid: int, callback: Callback | int, mode: Mode | int, value: int = 0, times: int = 0
    ) -> None:
        """What a callback does in its next calls (times 0 = until changed). EINVAL: it has no such mode."""
        raw = REQUESTS["PROGRAM"].new(nid=nid, callback=callback, mode=mode, value=value, times=times)
        self._call("PROGRAM", raw)

    def kept(self, nid: int) -> Kept:
        """The folios that free_folio holds back."""
        return self._kept(nid, CONSTANTS["PNT_KEPT_COUNT"], 0)

    def release_kept(self, nid: int, limit: int = 0, *, listed: bool = True) -> Kept:
        """Lets folios go that free_folio held back, 0 = all; their frames are told if `listed`."""
        return self._kept(nid, CONSTANTS["PNT_KEPT_RELEASE"], limit, listed)

    def _kept(self, nid: int, op: int, limit: int, listed: bool = True) -> Kept:
        length: int = CONSTANTS["PNT_MAX_KEPT"] if listed else 0
        pfns = ffi.new("uint64_t[]", length)
        raw = REQUESTS["KEPT"].new(nid=nid, op=op, max=limit, pfns=decode.address(pfns), pfns_len=length)
        self._call("KEPT", raw)
        told = min(raw.kept + raw.released, length)
        return Kept(tuple(ffi.unpack(pfns, told)), raw.released, raw.kept)

    def hotplug(self, since: int = 0, *, refuse: int = 0) -> tuple[list[HotplugEvent], int]:
        """What the hotplug notifiers were told from sequence number `since` on, and the next number.

        Of any memory of the machine; the oldest of more than PNT_MAX_HOTPLUG are lost. refuse: the
        refuse-th memory block that goes online from now on is refused with ENOMEM; 0, which is also the next
        call, and the end of the descriptor take that back.
        """
        length = CONSTANTS["PNT_MAX_HOTPLUG"]
        entries = ffi.new("struct pnt_hotplug_event[]", length)
        raw = REQUESTS["HOTPLUG"].new(since=since, max=length, events=decode.address(entries), refuse=refuse)
        self._call("HOTPLUG", raw)
        return [decode.hotplug_event(entries[i]) for i in range(raw.count)], int(raw.next)

# SPDX-License-Identifier: GPL-2.0-only
"""What the module reads of the kernel: zone lists, nodes, frames, faults, exported symbols."""

from helpers.testmod import decode
from helpers.testmod.abi import CONSTANTS, REQUESTS, ffi
from helpers.testmod.channel import Channel
from helpers.testmod.constants import ZoneList
from helpers.testmod.results import NodeState, PageReport, Totals, ZoneRef


class KernelStateCalls(Channel):
    """Nothing here changes anything."""

    def zonelist(self, nid: int, which: ZoneList | int = ZoneList.FALLBACK) -> list[ZoneRef]:
        """A zone list in order. EINVAL: not a possible node."""
        length = 1024
        while True:
            entries = ffi.new("struct pnt_zoneref[]", length)
            raw = REQUESTS["ZONELIST"].new(nid=nid, which=which, entries=decode.address(entries), len=length)
            self._call("ZONELIST", raw)
            if raw.count <= length:
                return [ZoneRef(entries[i].nid, entries[i].zone) for i in range(raw.count)]
            length = raw.count

    def node_state(self, nid: int) -> NodeState:
        """States, flags and zones of a node. EINVAL: not a possible node."""
        raw = REQUESTS["NODE_STATE"].new(nid=nid)
        self._call("NODE_STATE", raw)
        return decode.node_state(raw)

    def node_pages(self, nid: int) -> tuple[int, int]:
        """Free pages, per-CPU lists included, and managed pages of a node: of node_state(), but quick."""
        raw = REQUESTS["NODE_STATE"].new(nid=nid)
        self._call("NODE_STATE", raw)
        zones = ffi.unpack(raw.zones, raw.nr_zones)
        return sum(zone.free + zone.pcp for zone in zones), sum(zone.managed for zone in zones)

    def pages(self, addr: int, npages: int, pid: int = 0) -> list[PageReport]:
        """What is mapped at addr (page aligned) of a process, 0 = the caller. ESRCH: no such process."""
        entries = ffi.new("struct pnt_page[]", npages)
        raw = REQUESTS["PAGES"].new(addr=addr, npages=npages, pid=pid, pages=decode.address(entries))
        self._call("PAGES", raw)
        return [decode.page(entry) for entry in entries]

    def frames(self, addr: int, npages: int, pid: int = 0) -> list[tuple[int | None, int | None]]:
        """(pfn, nid) of each of the pages(), None twice where nothing is mapped."""
        entries = ffi.new("struct pnt_page[]", npages)
        raw = REQUESTS["PAGES"].new(addr=addr, npages=npages, pid=pid, pages=decode.address(entries))
        self._call("PAGES", raw)
        return [(page.pfn, page.nid) if page.nid >= 0 else (None, None) for page in entries]

    def armed(self) -> list[str]:
        """The faults of CONFIG_NODE_PRIVATE_BREAK that are armed; none in a kernel without them."""
        size: int = CONSTANTS["PNT_MAX_ARMED"]
        names = ffi.new("char[]", size)
        raw = REQUESTS["ARMED"].new(names=decode.address(names), size=size)
        self._call("ARMED", raw)
        return [name for name in ffi.string(names).decode().split(",") if name]

    def gpl_only(self, symbol: str) -> bool:
        """Whether the kernel exports the symbol to GPL modules only; false also when it does not at all."""
        raw = REQUESTS["EXPORTED"].new(name=symbol.encode())
        self._call("EXPORTED", raw)
        return bool(raw.gpl_only)

    def totals(self) -> Totals:
        """What this descriptor and the whole module hold."""
        raw = REQUESTS["TOTALS"].new()
        self._call("TOTALS", raw)
        return decode.totals(raw)

# SPDX-License-Identifier: GPL-2.0-only
"""Client of /dev/pnode_test: one thin method per ioctl.

Every method raises OSError with the errno of the ioctl; where pnode_test.h calls a request "raw", that is
the errno of the kernel function under test. An allocation that the kernel refuses is not an error but an
empty `Allocation`. All that a `TestModule` holds belongs to its descriptor: closing it, or the death of the
process, frees, unpins and unplugs what can be unplugged.
"""

import errno as errno_names
import fcntl
import os
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from helpers.testmod import decode
from helpers.testmod.abi import CONSTANTS, DEVICE, REQUESTS, ffi
from helpers.testmod.constants import (
    Callback,
    Callbacks,
    Context,
    Entry,
    FreeHow,
    Kind,
    Mode,
    Object,
    OnlineType,
    Owner,
    ZoneList,
)
from helpers.testmod.results import (
    Counters,
    Events,
    Gfp,
    Handshake,
    HotplugEvent,
    Kept,
    NodeState,
    NotifierCounts,
    PageReport,
    Pin,
    Scan,
    Totals,
    ZoneRef,
)

# Units of one allocation that are reported one by one; beyond it only the histogram tells.
MAX_UNITS = 1 << 16


class UnplugError(OSError):
    """A failed unplug; `gone` tells whether the range was removed nevertheless (EBUSY, HPL-07)."""

    gone: bool = False


class Allocation:
    """Objects allocated by one call of `TestModule.alloc`; false when there are none.

    count: objects. nids, pfns: one element per unit: a block of the given order, a slab object, else each
    base page (at most MAX_UNITS). on_node: base pages by node id. error: errno of entries that have one, or
    ENOMEM when the module stopped by itself to leave the machine some ordinary memory.
    """

    def __init__(self, module: "TestModule", raw: Any, nids: list[int], pfns: list[int]) -> None:
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


class TestModule:
    """An open descriptor of /dev/pnode_test; `gfp` has the kernel's gfp values, `handshake` the rest."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    def __init__(self, fd: int) -> None:
        """Takes over fd. OSError EPROTO or ENOTTY: the module was built from another pnode_test.h."""
        self._fd = fd
        raw = REQUESTS["HANDSHAKE"].new(abi=CONSTANTS["PNT_ABI"])
        self._call("HANDSHAKE", raw)
        decode.check_sizes(raw)
        self.gfp: Gfp = decode.gfp(raw)
        self.handshake: Handshake = decode.handshake(raw)

    @classmethod
    def open(cls, path: str | os.PathLike[str] = DEVICE) -> Self:
        """Opens the device. OSError: ENOENT without the module, EACCES without privilege, EPROTO, ENOTTY."""
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return cls(fd)
        except BaseException:
            os.close(fd)
            raise

    def fileno(self) -> int:
        if self._fd < 0:
            raise OSError(errno_names.EBADF, "the test module's descriptor is closed")
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def reopen(self, path: str | os.PathLike[str] = DEVICE) -> None:
        """Another descriptor in place of one that was closed, for a module that was loaded anew meanwhile."""
        self.close()
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- transport

    def ioctl(self, request: int, data: bytes | bytearray = b"") -> bytes:
        """Any request with any bytes, for fuzzing; at least a page is behind the pointer.

        Returns the bytes afterwards, as many as were given.
        """
        buffer = ffi.new("char[]", max(len(data), 1 << 14))
        ffi.memmove(buffer, data, len(data))
        fcntl.ioctl(self.fileno(), request, ffi.buffer(buffer), True)
        return bytes(ffi.buffer(buffer, len(data)))

    def ioctl_pointer(self, request: int, address: int) -> int:
        """Any request with a number below 2 GiB in place of the pointer (EFAULT tests: 0, 1, 4096)."""
        return fcntl.ioctl(self.fileno(), request, address)

    def _call(self, name: str, raw: Any) -> None:
        fd, request = self.fileno(), REQUESTS[name]
        try:
            fcntl.ioctl(fd, request.number, ffi.buffer(raw), True)
        except OSError as error:
            number = error.errno or 0
            label = errno_names.errorcode.get(number, str(number))
            raise OSError(number, f"{name} of the test module: {label}") from None

    # -- plug and registration

    def plug(
        self,
        nid: int,
        start: int,
        size: int,
        *,
        kind: Kind | int = Kind.PRIVATE,
        online_type: OnlineType | int = OnlineType.MOVABLE,
        memmap_on_memory: bool = False,
        group: bool | None = None,
        ops: int | None = None,
        callbacks: Callbacks | int = Callbacks.ALL,
        obj: int = Object.NODE,
        adistance: int = 0,
        name: str = "",
    ) -> None:
        """Plugs a physical range (bytes) as memory of nid.

        ops None: no set_ops at all (closed); else the flags, with the given callbacks, set once the memory
        is there. group: name a memory group in place of the node, one made for it (True) or one that does not
        exist (False). Raises the raw errno of the add or of set_ops; ERANGE: not a range that may be plugged
        (see range.c); EOPNOTSUPP: ordinary memory cannot be onlined by a module on this kernel.
        """
        flags = CONSTANTS["PNT_PLUG_MEMMAP_ON_MEMORY"] if memmap_on_memory else 0
        if ops is not None:
            flags |= CONSTANTS["PNT_PLUG_WITH_OPS"]
        if group is not None:
            flags |= CONSTANTS["PNT_PLUG_BY_GROUP" if group else "PNT_PLUG_NO_GROUP"]
        raw = REQUESTS["PLUG"].new(
            nid=nid,
            kind=kind,
            start=start,
            size=size,
            online_type=online_type,
            flags=flags,
            ops_flags=ops or 0,
            callbacks=callbacks if ops is not None else 0,
            object=obj,
            adistance=adistance,
            name=name.encode(),
        )
        self._call("PLUG", raw)

    def unplug(self, nid: int, start: int, size: int) -> None:
        """Offlines and removes a range plugged by this descriptor. UnplugError: raw errno and `gone`."""
        raw = REQUESTS["UNPLUG"].new(nid=nid, start=start, size=size)
        try:
            self._call("UNPLUG", raw)
        except OSError as error:
            failure = UnplugError(error.errno, error.strerror)
            failure.gone = bool(raw.gone)
            raise failure from None

    def register(self, nid: int, obj: int = 0) -> None:
        """node_private_register() with an object of this descriptor (0 to 3), NULL or NODE. Raw errno."""
        self._call("REGISTER", REQUESTS["REGISTER"].new(nid=nid, object=obj))

    def unregister(self, nid: int) -> None:
        """node_private_unregister(). Raw errno."""
        self._call("UNREGISTER", REQUESTS["UNREGISTER"].new(nid=nid))

    def set_ops(
        self, nid: int, flags: int, callbacks: Callbacks | int = Callbacks.ALL, obj: int = Object.NODE
    ) -> None:
        """node_private_set_ops() with any flag bits and any set of callbacks. Raw errno."""
        raw = REQUESTS["SET_OPS"].new(nid=nid, object=obj, flags=flags, callbacks=callbacks)
        self._call("SET_OPS", raw)

    def clear_ops(self, nid: int, obj: int = Object.NODE) -> None:
        """node_private_clear_ops() with the ops that the object set last. Raw errno."""
        self._call("CLEAR_OPS", REQUESTS["CLEAR_OPS"].new(nid=nid, object=obj))

    def block(self, nid: int, blocked: bool) -> None:
        """np->migration_blocked of the registered object. ENODEV without one."""
        self._call("BLOCK", REQUESTS["BLOCK"].new(nid=nid, blocked=blocked))

    # -- allocation

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

    # -- services of a driver: compressed RAM, its own kswapd

    def cram_register(self, nid: int, owner: Owner | int = Owner.NODE, *, flush: bool = True) -> None:
        """cram_register_private_node(), with the flush callback that `program` knows or none. Raw errno."""
        self._cram("PNT_CRAM_REGISTER", nid, owner=owner, flush=flush)

    def cram_unregister(self, nid: int) -> None:
        """cram_unregister_private_node(). Raw errno."""
        self._cram("PNT_CRAM_UNREGISTER", nid)

    def cram_set_pressure(self, nid: int, pressure: int) -> None:
        """cram_set_pressure(), 0 to 1000. Raw errno."""
        self._cram("PNT_CRAM_PRESSURE", nid, pressure=pressure)

    def cram_clear_pressure(self, nid: int) -> None:
        """cram_clear_pressure(). Raw errno."""
        self._cram("PNT_CRAM_CLEAR", nid)

    def _cram(self, op: str, nid: int, **fields: int) -> None:
        self._call("CRAM", REQUESTS["CRAM"].new(nid=nid, op=CONSTANTS[op], **fields))

    def kswapd_run(self, nid: int) -> None:
        """Starts the kswapd of a private node. ENODEV: it is none; EOPNOTSUPP: not to be reached."""
        self._call("KSWAPD", REQUESTS["KSWAPD"].new(nid=nid, op=CONSTANTS["PNT_KSWAPD_RUN"]))

    def kswapd_stop(self, nid: int) -> None:
        self._call("KSWAPD", REQUESTS["KSWAPD"].new(nid=nid, op=CONSTANTS["PNT_KSWAPD_STOP"]))

    def kswapd_wake(self, nid: int, boost: int | None = None) -> None:
        """Wakes kswapd for the node's highest zone, with a watermark boost (pages; None: as it is)."""
        pages = CONSTANTS["PNT_BOOST_LEAVE"] if boost is None else boost
        self._call("KSWAPD", REQUESTS["KSWAPD"].new(nid=nid, op=CONSTANTS["PNT_KSWAPD_WAKE"], boost=pages))

    # -- reading the kernel

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

    # -- callbacks

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

    # -- user memory

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
        """Let go of them, or with 0 of all that this descriptor holds. Returns the folios."""
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

    def totals(self) -> Totals:
        """What this descriptor and the whole module hold."""
        raw = REQUESTS["TOTALS"].new()
        self._call("TOTALS", raw)
        return decode.totals(raw)

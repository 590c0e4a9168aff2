# SPDX-License-Identifier: GPL-2.0-only
"""What the driver of a private node calls: plug, registration, ops, compressed RAM, its own kswapd."""

from helpers.testmod.abi import CONSTANTS, REQUESTS
from helpers.testmod.channel import Channel
from helpers.testmod.constants import Callbacks, Kind, Object, OnlineType, Owner


class UnplugError(OSError):
    """A failed unplug; `gone` tells whether the range was removed nevertheless (EBUSY, HPL-07)."""

    gone: bool = False


class OwnerCalls(Channel):
    """Raw errnos of the series' functions, and those of the module's own checks."""

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

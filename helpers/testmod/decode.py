# SPDX-License-Identifier: GPL-2.0-only
"""From the ABI's structs to results."""

import errno
from collections import Counter
from dataclasses import fields
from typing import Any

from helpers.testmod.abi import CONSTANTS, REQUESTS, ffi
from helpers.testmod.constants import (
    Callback,
    Entry,
    Feature,
    HotplugAction,
    Level,
    NodeFlags,
    NodeStates,
    Notify,
    PageFlags,
    PteFlags,
)
from helpers.testmod.results import (
    Counters,
    Event,
    Gfp,
    Handshake,
    Held,
    HotplugEvent,
    NodeState,
    NotifierCounts,
    PageReport,
    Totals,
    Zone,
)

_DIALECTS = {CONSTANTS["PNT_DIALECT_V4"]: "v4"}
_BY_SIZE = (Entry.EXACT_NID, Entry.KVMALLOC_NODE, Entry.VMALLOC_NODE)
_KSTACK_PAGES = 16  # 64 KiB: the largest THREAD_SIZE of the supported architectures
_PERCPU_COPIES = 64


def address(array: Any) -> int:
    """Address of a cffi array, for the ABI's pointer fields."""
    return int(ffi.cast("uintptr_t", array))


def check_sizes(raw: Any) -> None:
    """Raises OSError EPROTO when the module's structs differ in size from the header's."""
    expected = {request.index: request for request in REQUESTS.values()}
    wrong = [r.name for i, r in expected.items() if raw.struct_size[i] != r.size]
    sizes = {
        "event": (raw.event_size, "struct pnt_event"),
        "page": (raw.page_report_size, "struct pnt_page"),
        "zoneref": (raw.zoneref_size, "struct pnt_zoneref"),
        "hotplug event": (raw.hotplug_event_size, "struct pnt_hotplug_event"),
    }
    wrong += [name for name, (size, struct) in sizes.items() if size != ffi.sizeof(struct)]
    if wrong:
        raise OSError(
            errno.EPROTO, f"the test module has other structs than pnode_test.h: {', '.join(wrong)}"
        )


def gfp(raw: Any) -> Gfp:
    names = [field.name for field in fields(Gfp) if field.name != "MASK"]
    return Gfp(MASK=raw.gfp_mask, **{name: raw.gfp[CONSTANTS[f"PNT_GFP_{name}"]] for name in names})


def handshake(raw: Any) -> Handshake:
    return Handshake(
        abi=raw.abi,
        dialect=_DIALECTS.get(raw.dialect, f"unknown ({raw.dialect})"),
        page_size=raw.page_size,
        nr_node_ids=raw.nr_node_ids,
        max_order=raw.max_order,
        memory_block_size=raw.memory_block_size,
        features=Feature(raw.features),
    )


def unit_bound(entry: int, count: int, size: int, page_size: int, limit: int) -> int:
    """How many units (see struct pnt_alloc) an allocation can have at most, within 1..limit."""
    pages = max(size, 1) // page_size + 2
    if entry in _BY_SIZE:
        count *= pages
    elif entry == Entry.KSTACK:
        count *= _KSTACK_PAGES
    elif entry == Entry.PERCPU:
        count *= _PERCPU_COPIES * pages
    return max(1, min(count, limit))


def node_state(raw: Any) -> NodeState:
    zones = (raw.zones[i] for i in range(raw.nr_zones))
    return NodeState(
        nid=raw.nid,
        states=NodeStates(raw.states),
        flags=NodeFlags(raw.flags),
        ops_flags=raw.ops_flags,
        has_flags=raw.has_flags,
        ranges=raw.ranges,
        zones=tuple(
            Zone(z.index, _text(z.name), z.start_pfn, z.spanned, z.present, z.managed, z.free, z.pcp)
            for z in zones
        ),
    )


def page(raw: Any) -> PageReport:
    present = raw.nid >= 0
    return PageReport(
        nid=raw.nid if present else None,
        pfn=raw.pfn if present else None,
        order=raw.order,
        flags=PageFlags(raw.flags),
        pte=PteFlags(raw.pte),
        refcount=raw.refcount,
        mapcount=raw.mapcount,
        zone=raw.zone,
        level=Level(raw.level),
        pt_nid=raw.pt_nid if raw.pt_nid >= 0 else None,
    )


def event(raw: Any) -> Event:
    return Event(
        seq=raw.seq,
        time=raw.time,
        callback=Callback(raw.callback),
        nid=raw.nid,
        pfn=raw.pfn,
        pfn2=raw.pfn2,
        addr=raw.addr,
        order=raw.order,
        mode=raw.mode,
        reason=raw.reason,
        count=raw.count,
        result=raw.result,
        pid=raw.pid,
        level=Level(raw.level),
    )


def counters(raw: Any) -> Counters:
    def by_callback(values: Any) -> Counter[Callback]:
        return Counter({Callback(i): n for i, n in enumerate(values) if n})

    return Counters(
        calls=by_callback(raw.calls),
        folios=by_callback(raw.folios),
        pages=by_callback(raw.pages),
        failed=by_callback(raw.failed),
        kept=raw.kept,
        keep_failed=raw.keep_failed,
        lost=raw.lost,
    )


def notifier(raw: Any) -> NotifierCounts:
    def by_event(values: Any) -> Counter[Notify]:
        return Counter({Notify(i): n for i, n in enumerate(values) if n})

    return NotifierCounts(
        events=by_event(raw.events),
        overlaps=by_event(raw.overlaps),
        ends=raw.ends,
        released=bool(raw.released),
        last_start=raw.last_start,
        last_end=raw.last_end,
    )


def hotplug_event(raw: Any) -> HotplugEvent:
    nid = raw.nid if raw.nid >= 0 else None
    return HotplugEvent(raw.seq, HotplugAction(raw.action), nid, raw.start_pfn, raw.nr_pages)


def totals(raw: Any) -> Totals:
    def held(part: Any) -> Held:
        return Held(**{field.name: getattr(part, field.name) for field in fields(Held)})

    return Totals(held(raw.mine), held(raw.all), raw.orphans, raw.files, raw.stray)


def _text(chars: Any) -> str:
    return bytes(ffi.string(chars)).decode("ascii", "replace")

# SPDX-License-Identifier: GPL-2.0-only
"""Rubbish for the test module's ioctls, reproducible from a seed.

Three sorts of it: random bytes under a real request number, random request numbers, and requests of plausible
fields of which a few are replaced by values at the edges. The plausible ones get past the first checks.
Pointers are either invalid or lead to a scratch area that is larger than anything the module writes, so that
a success does not hit the caller's own memory.
"""

import mmap
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from helpers.testmod.abi import CONSTANTS, REQUESTS, Request, ffi
from helpers.testmod.constants import Context, Entry, Kind, Object, OnlineType

# The most that one request writes: 1 << 18 struct pnt_page of 48 bytes.
SCRATCH_BYTES: Final = 16 << 20
HOLD_BYTES: Final = 1 << 16

EDGES: Final = (
    *(0, 1, 2, 3, 7, 8, 63, 64, 127, 128, 255, 256, 1023, 1024, 4095, 4096, 1 << 18, (1 << 18) + 1),
    *((1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1),
    *((1 << 64) - 4096, (1 << 47) - 4096, 1 << 47, (1 << 52) - 1),
)
_BAD_POINTERS: Final = (0, 1, 4095, 1 << 46, 1 << 47, 0xFFFF_8880_0000_0000, (1 << 64) - 8)
_POINTERS: Final = frozenset(
    {
        *(("pnt_alloc", "nids"), ("pnt_alloc", "pfns"), ("pnt_zonelist", "entries"), ("pnt_pages", "pages")),
        *(("pnt_events", "events"), ("pnt_kept", "pfns"), ("pnt_pin", "nids"), ("pnt_pin", "pfns")),
        *(("pnt_hotplug", "events"), ("pnt_armed", "names")),
    }
)
# Written by the module; 0 beforehand, or the request is refused.
_OUT: Final = frozenset(
    {
        *(("pnt_zonelist", "count"), ("pnt_events", "count"), ("pnt_counters", "calls")),
        *(("pnt_hotplug", "count"), ("pnt_armed", "length"), ("pnt_exported", "gpl_only")),
        *(("pnt_hold", "id"), ("pnt_hold", "folios"), ("pnt_unhold", "folios")),
    }
)
# Entries with restricted gfp bits, and those that interrupts may use.
KERNEL_OBJECTS: Final = frozenset(range(Entry.EXACT_NID, Entry.VMALLOC_NODE + 1)) | {
    Entry.PERCPU,
    Entry.KSTACK,
}
SLEEPLESS: Final = frozenset(range(Entry.KMEM_CACHE_NODE + 1))
_SMALL: Final = (0, 0, 0, 1, 2, 3)
_CHOICES: Final = frozenset({"flags", "op", "how", "kind", "online_type", "which", "id", "times", "blocked"})


@dataclass(frozen=True)
class Case:
    """One call: `TestModule.ioctl(case.request, case.data)`; sort: numbers, bytes or fields are rubbish."""

    sort: str
    name: str
    request: int
    data: bytes

    def __str__(self) -> str:
        return f"{self.sort} {self.name} {self.request:#010x} {self.data.hex()}"


@dataclass
class Fuzzer:
    """An endless source of cases.

    nids, addresses (physical, bytes) and sizes are what the caller wants touched: use the ranges that its
    test has claimed. plug_end: where that ends; no PLUG of whole blocks goes beyond, to what nobody may have
    lent. gfps: masks of the kernel under test.
    """

    seed: int
    nids: Sequence[int]
    addresses: Sequence[int]
    sizes: Sequence[int]
    gfps: Sequence[int]
    leave_out: frozenset[str] = frozenset()
    plug_end: int | None = None
    scratch: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, SCRATCH_BYTES))
    #: HOLD takes anonymous memory only, and for no other request, which might wait for it.
    anonymous: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, HOLD_BYTES, flags=mmap.MAP_PRIVATE))

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._scratch = int(ffi.cast("uintptr_t", ffi.from_buffer(self.scratch)))
        self._anonymous = int(ffi.cast("uintptr_t", ffi.from_buffer(self.anonymous)))
        self.anonymous.write(bytes(HOLD_BYTES))
        self._requests = [r for name, r in REQUESTS.items() if name not in self.leave_out]
        self._plausible: dict[str, Sequence[int]] = {
            "nid": (*self.nids, -1, CONSTANTS["PNT_OBJECT_NODE"]),
            "start": self.addresses,
            "size": (*self.sizes, 0, 64, 4096),
            "start_pfn": (0, *(address >> 12 for address in self.addresses)),
            "gfp": self.gfps,
            "abi": (CONSTANTS["PNT_ABI"],),
            "object": (0, 1, 2, 3, -1, -2),
            "entry": range(CONSTANTS["PNT_ENTRY_COUNT"]),
            "context": range(CONSTANTS["PNT_CTX_COUNT"]),
            "callback": range(CONSTANTS["PNT_CB_COUNT"]),
            "mode": range(7),
            "value": (0, 0, 1, 5),
            "callbacks": (0, 0x7F, 0x0D, 0x01),
            "ops_flags": (0, 1, 3),
            "order": (0, 0, 0, 1, 2, 9),
            "count": (1, 2, 5, 100, 0),
            "npages": (1, 2, 100, 4096),
            "addr": (self._scratch, self._scratch + 4096),
            "len": (0, 1, 64),
            "max": (0, 1, 64),
            "pfns_len": (0, 1, 64),
            "units_len": (0, 1, 64),
            "nodemask": (0, 0xF),
        }

    def __iter__(self) -> Iterator[Case]:
        while True:
            yield self.case()

    def case(self) -> Case:
        """The next case."""
        rng, request = self.rng, self.rng.choice(self._requests)
        sort = rng.random()
        if sort < 0.1:
            return Case("numbers", "-", rng.getrandbits(32), rng.randbytes(64))
        if sort < 0.2:
            return Case("bytes", request.name, request.number, rng.randbytes(request.size))
        return Case("fields", request.name, request.number, self._mutated(request))

    def _mutated(self, request: Request) -> bytes:
        """Plausible fields; in half of the cases one to three of them replaced."""
        raw = request.new()
        fields = [
            (name, info.type)
            for name, info in ffi.typeof(raw).item.fields
            if info.type.kind == "primitive" or _is_words(info.type)
        ]
        recipe = self._recipe(request.name)
        for name, kind in fields:
            self._set(raw, name, kind, recipe.get(name, self._likely(request.struct, name)))
        if self.rng.random() < 0.5:
            for name, kind in self.rng.choices(fields, k=self.rng.randint(1, 3)):
                edges = _BAD_POINTERS if (request.struct, name) in _POINTERS else EDGES
                self._set(raw, name, kind, self.rng.choice(edges))
        if request.name == "PLUG" and raw.kind == Kind.ORDINARY and raw.online_type != OnlineType.OFFLINE:
            raw.online_type = OnlineType.MOVABLE  # kernel objects would move in and never leave
        if request.name == "PLUG" and self.plug_end is not None and raw.start + raw.size > self.plug_end:
            raw.size |= 1  # not aligned: the kernel's to refuse
        return bytes(ffi.buffer(raw))

    def _recipe(self, name: str) -> dict[str, int]:
        """Fields that depend on each other, for requests that are else refused at once."""
        pick = self.rng.choice
        if name == "ALLOC":
            return self._allocation(pick(tuple(Entry)))
        if name == "PLUG" and pick((True, False)):
            return {"flags": pick((0, 0, 4, 8)), "ops_flags": 0, "callbacks": 0, "object": Object.NODE}
        if name == "PLUG":
            return {"flags": 2, "kind": 0, "ops_flags": pick((0, 1, 3)), "callbacks": 0x7F}
        if name in ("REGISTER", "CLEAR_OPS", "UNREGISTER"):
            return {"flags": 0, "callbacks": 0} | ({"object": 0} if name == "UNREGISTER" else {})
        if name == "SET_OPS":
            return {"flags": pick((0, 1, 3)), "callbacks": 0x7F}
        if name == "PROGRAM":
            callback, modes = pick(((0, (0, 4)), (2, (0, 1, 2, 3)), (4, (0, 3, 5)), (5, (0, 6))))
            mode = pick(modes)
            return {"callback": callback, "mode": mode, "value": pick((1, 5)) if mode in (1, 2, 3, 6) else 0}
        if name == "KEPT":
            return {"op": 1}
        if name == "CRAM":
            op = pick((0, 0, 1, 2, 3))
            register = {"owner": pick((0, 0, 1, 2)), "flush": pick((0, 1))}
            rest = {"owner": 0, "flush": 0, "pressure": pick((0, 1, 500, 1000, 1001)) if op == 2 else 0}
            return {"op": op, **(rest if op else register | {"pressure": 0})}
        if name == "KSWAPD":
            op = pick((0, 1, 2))
            return {"op": op, "boost": pick((-1, 0, 1, 1000)) if op == 2 else 0}
        if name == "HOLD":
            page = pick(range(8)) * mmap.PAGESIZE
            return {"addr": self._anonymous + page, "npages": pick((1, 2, 8, 9)), "flags": pick((1, 2))}
        if name == "UNHOLD":
            return {"id": pick((0, 1, 2, 3))}
        if name == "SCAN":
            return {"id": pick((1, 2, 3)), "pages": 0, "nonzero": 0, "matching": 0, "mask": -1, "word": 1}
        return {}

    def _allocation(self, entry: Entry) -> dict[str, int]:
        pick = self.rng.choice
        fields = {"entry": entry, "flags": 0, "nodemask": 0, "order": 0, "size": 0, "start_pfn": 0}
        if entry <= Entry.FOLIO_ALLOC_TASK:
            fields["order"] = pick((0, 0, 1, 2, 9))
        if entry in (Entry.ALLOC_PAGES_NODEMASK, Entry.FOLIO_ALLOC_NODE, Entry.BULK) and pick((True, False)):
            fields |= {"flags": 1, "nodemask": pick((0, 1, 2, 0xF))}
        if entry in KERNEL_OBJECTS:
            fields["gfp"] = pick([gfp for gfp in self.gfps if not gfp & 0x1F] or [0])
        if entry in KERNEL_OBJECTS - {Entry.KSTACK}:
            fields["size"] = pick((8, 64, 4096, 8192, 32768))
        if entry == Entry.CONTIG_RANGE:
            fields["start_pfn"] = pick(self.addresses) >> 12
        if entry not in SLEEPLESS or pick((True, False)):
            fields["context"] = pick((Context.TASK, Context.MEMALLOC))
        return fields

    def _likely(self, struct: str, name: str) -> int:
        rng = self.rng
        if (struct, name) in _OUT:
            return 0
        if (struct, name) in _POINTERS:
            return self._scratch if rng.random() < 0.6 else rng.choice(_BAD_POINTERS)
        if name in self._plausible:
            return rng.choice(self._plausible[name])
        return rng.choice(_SMALL) if name in _CHOICES else 0

    def _set(self, raw: Any, name: str, kind: Any, value: int) -> None:
        """Sets a field, or one element of an array, cut to its width."""
        if kind.kind == "array":
            getattr(raw, name)[self.rng.randrange(kind.length)] = int(ffi.cast(kind.item, value))
        else:
            setattr(raw, name, int(ffi.cast(kind, value)))


def _is_words(kind: Any) -> bool:
    return bool(kind.kind == "array" and kind.item.cname == "uint64_t")

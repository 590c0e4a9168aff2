# SPDX-License-Identifier: GPL-2.0-only
"""The client against a device that is played by this file: what it sends, and what it makes of answers."""

import errno
import fcntl
import os
from collections.abc import Callable
from typing import Any

import pytest

from helpers.testmod import Context, Entry, Mode, OnlineType, TestModule, UnplugError, constants
from helpers.testmod.abi import CONSTANTS, REQUESTS, ffi
from helpers.testmod.many import alloc_many

BY_NUMBER = {request.number: request for request in REQUESTS.values()}


class Device:
    """Answers ioctls by functions that get the request's struct."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[Any], int]] = {"HANDSHAKE": self.handshake}
        self.calls: list[str] = []
        self.abi = CONSTANTS["PNT_ABI"]

    def handshake(self, raw: Any) -> int:
        asked, raw.abi = raw.abi, self.abi
        raw.dialect, raw.page_size, raw.nr_node_ids = CONSTANTS["PNT_DIALECT_V4"], 4096, 4
        raw.event_size = ffi.sizeof("struct pnt_event")
        raw.page_report_size = ffi.sizeof("struct pnt_page")
        raw.hotplug_event_size = ffi.sizeof("struct pnt_hotplug_event")
        raw.zoneref_size = ffi.sizeof("struct pnt_zoneref")
        for request in REQUESTS.values():
            raw.struct_size[request.index] = request.size
        raw.gfp[CONSTANTS["PNT_GFP_PRIVATE"]] = 0x200
        raw.gfp[CONSTANTS["PNT_GFP_THISNODE"]] = 0x100000
        raw.memory_block_size = 128 << 20
        return 0 if asked == self.abi else errno.EPROTO

    def ioctl(self, fd: int, number: int, arg: Any = 0, mutate: bool = True) -> int:
        request = BY_NUMBER[number]
        self.calls.append(request.name)
        raw = ffi.cast(f"struct {request.struct} *", ffi.from_buffer(arg))
        code = self.handlers[request.name](raw)
        if code:
            raise OSError(code, os.strerror(code))
        return 0


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    played = Device()
    monkeypatch.setattr(fcntl, "ioctl", played.ioctl)
    return played


@pytest.fixture
def mod(device: Device) -> TestModule:
    with TestModule.open("/dev/null") as module:
        yield module


def test_handshake(mod: TestModule) -> None:
    assert mod.handshake.dialect == "v4"
    assert mod.gfp.GFP_PRIVATE == 0x100200
    assert mod.gfp.names(0x100208) == "PRIVATE|THISNODE|0x8"


def test_wrong_abi_closes_the_descriptor(device: Device) -> None:
    device.abi += 1
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="EPROTO") as caught:
        TestModule.open("/dev/null")
    assert caught.value.errno == errno.EPROTO
    assert len(os.listdir("/proc/self/fd")) == before


def test_wrong_struct_size(device: Device) -> None:
    def handshake(raw: Any) -> int:
        device.handshake(raw)
        raw.struct_size[REQUESTS["ALLOC"].index] += 8
        return 0

    device.handlers["HANDSHAKE"] = handshake
    with pytest.raises(OSError, match="ALLOC") as caught:
        TestModule.open("/dev/null")
    assert caught.value.errno == errno.EPROTO


def test_no_module() -> None:
    with pytest.raises(FileNotFoundError):
        TestModule.open("/dev/no_such_pnode_test")


def test_closed_descriptor(mod: TestModule) -> None:
    mod.close()
    mod.close()
    with pytest.raises(OSError, match="closed"):
        mod.totals()


def test_plug_sends_everything(device: Device, mod: TestModule) -> None:
    seen = {}

    def plug(raw: Any) -> int:
        seen.update(
            nid=raw.nid, start=raw.start, size=raw.size, online=raw.online_type, flags=raw.flags,
            ops=raw.ops_flags, callbacks=raw.callbacks, object=raw.object, name=ffi.string(raw.name),
        )  # fmt: skip
        return 0

    device.handlers["PLUG"] = plug
    mod.plug(3, 0x140000000, 128 << 20, online_type=OnlineType.KERNEL, memmap_on_memory=True, ops=0, name="x")
    both = CONSTANTS["PNT_PLUG_MEMMAP_ON_MEMORY"] | CONSTANTS["PNT_PLUG_WITH_OPS"]
    assert seen == {
        "nid": 3, "start": 0x140000000, "size": 128 << 20, "online": 2, "flags": both, "ops": 0,
        "callbacks": int(constants.Callbacks.ALL), "object": -2, "name": b"x",
    }  # fmt: skip
    mod.plug(3, 0x140000000, 128 << 20)
    assert (seen["flags"], seen["callbacks"], seen["name"]) == (0, 0, b"")


def test_errno_becomes_its_exception(device: Device, mod: TestModule) -> None:
    device.handlers["REGISTER"] = lambda raw: errno.EPERM
    with pytest.raises(PermissionError, match="REGISTER of the test module: EPERM"):
        mod.register(1)


@pytest.mark.parametrize("gone", [False, True])
def test_unplug_error_knows_what_is_gone(device: Device, mod: TestModule, gone: bool) -> None:
    def unplug(raw: Any) -> int:
        raw.gone = gone
        return errno.EBUSY

    device.handlers["UNPLUG"] = unplug
    with pytest.raises(UnplugError) as caught:
        mod.unplug(1, 0, 128 << 20)
    assert (caught.value.errno, caught.value.gone) == (errno.EBUSY, gone)


def test_allocation(device: Device, mod: TestModule) -> None:
    def alloc(raw: Any) -> int:
        assert (raw.entry, raw.order, raw.context) == (Entry.BULK, 0, Context.SOFTIRQ)
        assert [raw.nodemask[0], raw.nodemask[1]] == [0b1010, 1]
        assert raw.flags == CONSTANTS["PNT_ALLOC_USE_NODEMASK"]
        assert raw.units_len == 3
        nids, pfns = ffi.cast("int32_t *", raw.nids), ffi.cast("uint64_t *", raw.pfns)
        nids[0], nids[1], pfns[0], pfns[1] = 3, 1, 70, 71
        raw.on_node[3] = raw.on_node[1] = 1
        raw.id, raw.allocated, raw.units, raw.pages = 7, 2, 2, 2
        return 0

    def free(raw: Any) -> int:
        assert raw.id == 7
        raw.freed = 2
        return 0

    device.handlers |= {"ALLOC": alloc, "FREE": free}
    got = mod.alloc(Entry.BULK, 3, gfp=1, count=3, nodemask=[1, 3, 64], context=Context.SOFTIRQ)
    assert got
    assert (got.count, got.nids, got.pfns, dict(got.on_node)) == (2, [3, 1], [70, 71], {1: 1, 3: 1})
    assert got.nid is None
    assert (got.free(), got.free()) == (2, 0)
    assert device.calls.count("FREE") == 1


def test_refused_allocation_is_empty(device: Device, mod: TestModule) -> None:
    device.handlers["ALLOC"] = lambda raw: 0
    got = mod.alloc(Entry.ALLOC_PAGES_NODE, 1, gfp=0)
    assert not got
    assert (len(got), got.nid, got.nids) == (0, None, [])
    got.free()
    assert "FREE" not in device.calls


def test_value_out_of_its_field(mod: TestModule) -> None:
    with pytest.raises(OverflowError):
        mod.program(1, 0, Mode.KEEP, times=1 << 32)


def test_pages_decode(device: Device, mod: TestModule) -> None:
    def pages(raw: Any) -> int:
        entries = ffi.cast("struct pnt_page *", raw.pages)
        entries[0].nid, entries[0].pfn, entries[0].pte, entries[0].level = 1, 9, 3, 1
        entries[1].nid = entries[1].pt_nid = -1
        return 0

    device.handlers["PAGES"] = pages
    present, absent = mod.pages(4096, 2)
    assert (present.nid, present.pfn, present.present, present.writable) == (1, 9, True, True)
    assert (absent.nid, absent.pfn, absent.pt_nid, absent.present) == (None, None, None, False)


def test_fuzzing_needs_no_struct(mod: TestModule, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(fcntl, "ioctl", lambda fd, number, arg, mutate: sent.append((number, len(arg))) or 0)
    assert mod.ioctl(0xFFFFFFFF, b"\x01\x02") == b"\x01\x02"
    assert sent == [(0xFFFFFFFF, 1 << 14)]


def test_compressed_ram(device: Device, mod: TestModule) -> None:
    seen = []

    def cram(raw: Any) -> int:
        seen.append((raw.nid, raw.op, raw.owner, raw.flush, raw.pressure))
        return errno.EBUSY if raw.owner else 0

    device.handlers["CRAM"] = cram
    mod.cram_register(1)
    with pytest.raises(OSError, match="EBUSY"):
        mod.cram_register(1, constants.Owner.STRANGER, flush=False)
    mod.cram_set_pressure(1, 500)
    mod.cram_clear_pressure(1)
    mod.cram_unregister(1)
    register, unregister, pressure, clear = (
        CONSTANTS[f"PNT_CRAM_{op}"] for op in ("REGISTER", "UNREGISTER", "PRESSURE", "CLEAR")
    )
    assert seen == [
        (1, register, 0, 1, 0),
        (1, register, 2, 0, 0),
        (1, pressure, 0, 0, 500),
        (1, clear, 0, 0, 0),
        (1, unregister, 0, 0, 0),
    ]


def test_kswapd_of_a_node(device: Device, mod: TestModule) -> None:
    seen = []

    def kswapd(raw: Any) -> int:
        seen.append((raw.op, raw.boost))
        return 0

    device.handlers["KSWAPD"] = kswapd
    mod.kswapd_run(1)
    mod.kswapd_wake(1)
    mod.kswapd_wake(1, boost=7)
    mod.kswapd_stop(1)
    run, stop, wake = (CONSTANTS[f"PNT_KSWAPD_{op}"] for op in ("RUN", "STOP", "WAKE"))
    assert seen == [(run, 0), (wake, CONSTANTS["PNT_BOOST_LEAVE"]), (wake, 7), (stop, 0)]


def test_scan(device: Device, mod: TestModule) -> None:
    def scan(raw: Any) -> int:
        assert (raw.id, raw.word, raw.mask) == (3, 5, 7)
        raw.pages, raw.nonzero, raw.matching = 4, 2, 1
        return 0

    device.handlers["SCAN"] = scan
    found = mod.scan(3, word=5, mask=7)
    assert (found.pages, found.nonzero, found.matching) == (4, 2, 1)


def test_armed(device: Device, mod: TestModule) -> None:
    said = [b"", b"gate-bulk,state-both"]

    def armed(raw: Any) -> int:
        text = said.pop()
        ffi.memmove(ffi.cast("char *", raw.names), text + b"\0", len(text) + 1)
        raw.length = len(text)
        return 0

    device.handlers["ARMED"] = armed
    assert mod.armed() == ["gate-bulk", "state-both"]
    assert mod.armed() == []


class Memory:
    """Plays ALLOC and FREE of a node with so many pages."""

    def __init__(self, device: Device, pages: int) -> None:
        self.free, self.asked, self.held = pages, [], {}
        device.handlers |= {"ALLOC": self.alloc, "FREE": self.give_back}

    def alloc(self, raw: Any) -> int:
        limit = CONSTANTS[
            "PNT_MAX_RESERVE_PAGES" if raw.context == Context.MEMALLOC else "PNT_MAX_ALLOC_PAGES"
        ]
        if not 0 < raw.count << raw.order <= limit:
            return errno.EINVAL
        self.asked.append(raw.count)
        raw.allocated = min(raw.count, self.free >> raw.order)
        raw.pages = raw.on_node[3] = raw.allocated << raw.order
        self.free -= raw.pages
        raw.id = len(self.asked)
        self.held[raw.id] = raw.pages
        return 0

    def give_back(self, raw: Any) -> int:
        self.free += self.held.pop(raw.id)
        return 0


@pytest.mark.parametrize("order", [0, 9, 10])
def test_more_than_one_request_may_take(mod: TestModule, device: Device, order: int) -> None:
    most = CONSTANTS["PNT_MAX_ALLOC_PAGES"] >> order
    memory = Memory(device, 5 << 18)
    with alloc_many(mod, 3, gfp=0, order=order, count=2 * most + 7) as taken:
        assert memory.asked == [most, most, 7]
        assert taken.pages == (2 * most + 7) << order
    assert memory.free == 5 << 18


def test_until_there_is_no_more(mod: TestModule, device: Device) -> None:
    memory = Memory(device, (1 << 18) + 100)
    taken = alloc_many(mod, 3, gfp=0, order=5, count=1 << 20)
    assert (memory.free, taken.pages, len(taken)) == (4, (1 << 18) + 96, 2)
    assert alloc_many(mod, 3, gfp=0, order=5, count=1) == []
    assert alloc_many(mod, 3, gfp=0, count=0) == []


def test_little_at_once_of_the_reserves(mod: TestModule, device: Device) -> None:
    memory = Memory(device, 1 << 18)
    alloc_many(mod, 3, gfp=0, count=10000, context=Context.MEMALLOC)
    assert memory.asked == [4096, 4096, 1808]


def test_a_request_that_fails_leaves_nothing(mod: TestModule, device: Device) -> None:
    memory = Memory(device, 1 << 20)
    device.handlers["ALLOC"] = lambda raw: errno.ENOSPC if memory.asked else memory.alloc(raw)
    with pytest.raises(OSError, match="ENOSPC"):
        alloc_many(mod, 3, gfp=0, count=1 << 19)
    assert memory.free == 1 << 20

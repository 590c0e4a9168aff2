# SPDX-License-Identifier: GPL-2.0-only
"""TMD-02 and TMD-03: the handshake, and what becomes of a process that dies."""

import errno
import os
import signal

import pytest

from fixtures.nodes import PrivateRange
from fixtures.process import ChildDied, ChildFactory
from fixtures.requirement import requirement
from helpers.memory import Mapping
from helpers.nodemask import NodeMask
from helpers.nodes import has_private_memory
from helpers.testmod import Entry, TestModule
from helpers.testmod.abi import CONSTANTS, REQUESTS, ffi
from helpers.wait import wait_until


def handshake_errno(module: TestModule, abi: int) -> int:
    """0, or the errno of a handshake as a client of this ABI."""
    raw = REQUESTS["HANDSHAKE"].new()
    raw.abi = abi
    try:
        module.ioctl(REQUESTS["HANDSHAKE"].number, bytes(ffi.buffer(raw)))
    except OSError as error:
        return error.errno or 0
    return 0


@requirement("TMD-02")
@pytest.mark.parametrize("abi", [0, CONSTANTS["PNT_ABI"] + 1, (1 << 32) - 1])
def test_client_of_another_abi_is_refused(mod: TestModule, abi: int) -> None:
    assert handshake_errno(mod, CONSTANTS["PNT_ABI"]) == 0
    assert errno.errorcode.get(handshake_errno(mod, abi)) == "EPROTO"


@requirement("TMD-02")
def test_unknown_request_is_refused(mod: TestModule) -> None:
    with pytest.raises(OSError) as refusal:  # noqa: PT011 - the errno is checked below
        mod.ioctl(0x50FF, bytes(64))
    assert errno.errorcode.get(refusal.value.errno or 0) == "ENOTTY"


@requirement("TMD-03")
def test_killed_process_leaves_nothing(
    unplugged: PrivateRange, child: ChildFactory, testmod: TestModule
) -> None:
    before = testmod.totals()
    flags = testmod.gfp.HIGHUSER_MOVABLE | testmod.gfp.GFP_PRIVATE

    def work() -> None:
        module = TestModule.open()
        module.plug(unplugged.nid, unplugged.start, unplugged.block)
        assert module.alloc(Entry.ALLOC_PAGES_NODE, unplugged.nid, gfp=flags, count=64).count == 64
        with Mapping.anonymous(4) as memory:
            memory.touch()
            module.pin(memory.addr, memory.pages)
            module.hold(memory.addr, 1)
            module.hold(memory.page_addr(1), 1, writeback=True)
            module.notifier_start(memory.addr, memory.nbytes)
            assert unplugged.nid in (has_private_memory() or NodeMask())
            module.device(unplugged.nid, memory.nbytes)
            with Mapping.of_fd(module.fileno(), memory.pages, shared=True) as pages:
                pages.touch()
                held = module.totals().mine
                assert (held.device_pages, held.alloc_pages, held.pins) == (4, 64, 4), f"{held}"
                os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ChildDied) as death:
        child(work)
    assert death.value.signal is signal.SIGKILL, "the child was to get as far as killing itself"
    wait_until(lambda: testmod.totals().all == before.all, 10, lambda: f"nothing left, is {testmod.totals()}")
    wait_until(lambda: unplugged.nid not in (has_private_memory() or ()), 10, "the node to go with its owner")
    assert testmod.totals().orphans == 0

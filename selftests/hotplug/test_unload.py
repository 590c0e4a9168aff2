# SPDX-License-Identifier: GPL-2.0-only
"""HPL-16: the driver's module may not go while the kernel can call into it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.bench import Bench
from fixtures.nodes import PrivateRange
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core, disruptive
from fixtures.testmod import AllocFactory
from helpers import syscalls
from helpers.outcome import OK, outcome
from helpers.testmod import Entry, Ops, TestModule
from helpers.wait import wait_until
from selftests.hotplug.standing import BARE, PRIVATE, standing

NAME = "pnode_test"
FILE = Path("/pnode/pnode_test.ko")  # tools/guest/spec.py
REFERENCES = Path("/sys/module/pnode_test/refcnt")
OPEN = Ops.MIGRATION | Ops.MEMPOLICY


def references() -> int:
    """References to the module, by whomever."""
    if not REFERENCES.exists():
        pytest.skip("needs a kernel that can unload modules")
    return int(REFERENCES.read_text())


@requirement("HPL-16")
@core
@pytest.mark.parametrize("ops", [None, OPEN], ids=["closed", "open"])
def test_a_registered_node_keeps_it(
    unplugged: PrivateRange, mod: TestModule, alloc: AllocFactory, ops: Ops | None
) -> None:
    assert references() > 0
    node = unplugged.plug(ops=ops)
    # Not with O_TRUNC: where the kernel offers that (MODULE_FORCE_UNLOAD), it does away with any module.
    assert outcome(syscalls.delete_module, NAME, os.O_NONBLOCK) == "EAGAIN"
    assert standing(mod, node.nid) == PRIVATE
    taken = alloc(Entry.ALLOC_PAGES_NODE, node, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE)
    assert taken is not None
    assert taken.nid == node.nid


def owner(nid: int, start: int, size: int) -> Iterator[None]:
    """For a child: plug the range by a descriptor of its own, and keep it."""
    module = TestModule.open()
    module.plug(nid, start, size)
    yield


@requirement("HPL-16")
def test_so_does_one_whose_owner_died(
    unplugged: PrivateRange, testmod: TestModule, mod: TestModule, child: ChildFactory, alloc: AllocFactory
) -> None:
    before = references()
    worker = child.start(owner, unplugged.nid, unplugged.start, unplugged.block)
    worker.step()
    taken = alloc(Entry.ALLOC_PAGES_NODE, unplugged.nid, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE)
    assert taken is not None
    assert taken.nid == unplugged.nid
    worker.kill()
    wait_until(lambda: testmod.totals().orphans == 1, 20, "the range left without an owner")
    assert references() > before, "nothing keeps the module for the sake of the node"
    assert standing(testmod, unplugged.nid) == PRIVATE
    taken.free()
    TestModule.open().close()  # tries again what could not be unplugged
    assert (testmod.totals().orphans, references()) == (0, before)
    assert standing(testmod, unplugged.nid) == BARE


@requirement("HPL-16")
@disruptive
def test_it_goes_and_comes_when_nothing_is_registered(bench: Bench, testmod: TestModule) -> None:
    if not FILE.exists():
        pytest.skip("needs the module's file, as guests have it")
    assert references() > 0, "the session has a descriptor"
    bench.release()
    testmod.close()
    try:
        assert references() == 0
        assert outcome(syscalls.delete_module, NAME) == OK
        assert not REFERENCES.exists()
    finally:
        if not REFERENCES.exists():
            with FILE.open("rb") as file:
                syscalls.finit_module(file.fileno())
        testmod.reopen()
    node = bench.range(0).plug(ops=OPEN)
    assert standing(testmod, node.nid) == PRIVATE
    assert node.unplug() == 0

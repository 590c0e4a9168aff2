# SPDX-License-Identifier: GPL-2.0-only
"""DEV-06: who gets to the node. The device's permissions are the gate, and there is no way around them."""

import os
import socket
from collections.abc import Iterator

import pytest

from fixtures.nodes import PrivateNode, unchanged_free_pages
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.constants import MPOL_F_STATIC_NODES, MPOL_MF_MOVE, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import Node
from helpers.outcome import OK, outcome
from helpers.residency import residency_of
from helpers.testmod import TestModule
from helpers.testmod.abi import DEVICE

NOBODY = 65534
PAGES = 16
MODES = [
    Mode.BIND,
    Mode.PREFERRED,
    Mode.PREFERRED_MANY,
    Mode.INTERLEAVE,
    Mode.WEIGHTED_INTERLEAVE,
    Mode.BIND | MPOL_F_STATIC_NODES,
]


@pytest.mark.core
@requirement("DEV-06")
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR], ids=["read", "write", "both"])
def test_an_unprivileged_user_cannot_open_the_device(
    testmod: TestModule, child: ChildFactory, flags: int
) -> None:
    assert child(outcome, os.open, DEVICE, flags, uid=NOBODY) == "EACCES"
    assert child(outcome, os.open, DEVICE, flags) == OK, "the control: root"


def receiver(mod: TestModule, mine: socket.socket) -> Iterator[object]:
    """Drop the inherited descriptor, get one over the socket, and use it."""
    mod.close()
    yield outcome(os.open, DEVICE, os.O_RDWR)
    _data, fds, _flags, _address = socket.recv_fds(mine, 1, 1)
    memory = Mapping.of_fd(fds[0], PAGES, shared=True)
    assert memory.zeroed()
    memory.touch(full=True)
    yield memory.addr
    memory.verify(full=True)


@pytest.mark.core
@requirement("DEV-06")
def test_a_passed_descriptor_works(
    closed_node: PrivateNode, mod: TestModule, testmod: TestModule, child: ChildFactory
) -> None:
    mod.device(closed_node.nid, PAGES * PAGE_SIZE)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = child.start(receiver, mod, theirs, uid=NOBODY)
        assert worker.step() == "EACCES"
        socket.send_fds(ours, [b"d"], [mod.fileno()])
        where = residency_of(worker.step(), PAGES, worker.pid)
        assert where.all_on(closed_node.nid), where
        assert testmod.totals().all.device_pages == PAGES
        worker.finish()


@requirement("DEV-06")
def test_a_passed_descriptor_is_bounded(
    closed_node: PrivateNode, mod: TestModule, child: ChildFactory
) -> None:
    mod.device(closed_node.nid, PAGES * PAGE_SIZE)

    def beyond() -> str:
        return outcome(Mapping.of_fd, mod.fileno(), PAGES + 1, shared=True)

    assert child(beyond, uid=NOBODY) == "EINVAL"


def try_policies(nid: int) -> Iterator[object]:
    """Every policy that could name the node, for a mapping and for the task; then where the memory is."""
    memory, results = Mapping.anonymous(PAGES), {}
    for mode in MODES:
        results[f"mbind {mode:#x}"] = outcome(memory.bind, mode, [nid])
        results[f"set_mempolicy {mode:#x}"] = outcome(syscalls.set_mempolicy, mode, [nid])
    memory.touch()
    yield results, memory.addr


@requirement("DEV-06")
def test_no_policy_takes_the_user_there(
    closed_node: PrivateNode, ordinary_node: Node, child: ChildFactory
) -> None:
    with unchanged_free_pages(closed_node):
        worker = child.start(try_policies, closed_node.nid, uid=NOBODY)
        results, address = worker.step()
        where = residency_of(address, PAGES, worker.pid)
        assert set(results.values()) == {"EINVAL"}, results
        assert where.all_on(ordinary_node.nid), where
        worker.finish()


def try_to_move(nid: int) -> Iterator[object]:
    """Memory, and what the kernel says to moving it to the node."""
    memory = Mapping.anonymous(PAGES)
    memory.touch()
    seen = outcome(syscalls.move_pages, 0, memory.addrs(), [nid] * PAGES, MPOL_MF_MOVE)
    yield seen, memory.addr


@requirement("DEV-06")
def test_no_move_takes_the_user_there(
    closed_node: PrivateNode, ordinary_node: Node, child: ChildFactory
) -> None:
    with unchanged_free_pages(closed_node):
        worker = child.start(try_to_move, closed_node.nid, uid=NOBODY)
        seen, address = worker.step()
        where = residency_of(address, PAGES, worker.pid)
        assert where.all_on(ordinary_node.nid), f"move_pages: {seen}; {where}"
        assert seen == "ENODEV"
        worker.finish()


@requirement("DEV-06")
def test_no_migration_takes_the_user_there(
    closed_node: PrivateNode, ordinary_nodes: list[Node], child: ChildFactory
) -> None:
    ordinary = [node.nid for node in ordinary_nodes]

    def migrant() -> Iterator[object]:
        with Mapping.anonymous(PAGES) as memory:
            memory.touch()
            there = outcome(syscalls.migrate_pages, 0, ordinary, [closed_node.nid])
            yield there, memory.addr
            memory.verify()

    with unchanged_free_pages(closed_node):
        worker = child.start(migrant, uid=NOBODY)
        seen, address = worker.step()
        where = residency_of(address, PAGES, worker.pid)
        assert seen != OK, "an error, whichever (NOP-04)"
        assert not where.elsewhere(*ordinary), f"migrate_pages: {seen}; {where}"
        worker.finish()

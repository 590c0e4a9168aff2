# SPDX-License-Identifier: GPL-2.0-only
"""Pages that are hard to move, each kind made the same way on any node."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from fixtures.memory import AnonFactory
from fixtures.process import ChildFactory
from helpers import syscalls
from helpers.constants import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL
from helpers.memory import Mapping
from helpers.outcome import errno_name
from helpers.testmod import TestModule
from selftests.migration.moves import move, names, share
from selftests.oracle import located, placed

FEW = 4


@dataclass
class Maker:
    """What the kinds are made with. `hold` keeps what has to stay for the length of the test."""

    mod: TestModule
    child: ChildFactory
    anon: AnonFactory
    hold: ExitStack

    def plain(self, home: int, nid: int) -> Mapping:
        memory = placed(self.anon(FEW), home)
        if nid != home:
            assert move(memory, nid)[0] == 0
        return memory

    def pinned(self, home: int, nid: int) -> Mapping:
        """FOLL_PIN by a driver, for a while."""
        memory = self.plain(home, nid)
        pin = self.mod.pin(memory.addr, FEW)
        self.hold.callback(self.mod.unpin, pin)
        return memory

    def in_a_pipe(self, home: int, nid: int) -> Mapping:
        """vmsplice(2): the pipe refers to the pages themselves."""
        memory = self.plain(home, nid)
        reader, writer = os.pipe()
        self.hold.callback(os.close, reader)
        self.hold.callback(os.close, writer)
        assert syscalls.vmsplice(writer, memory.addr, memory.nbytes) == memory.nbytes
        return memory

    def locked(self, home: int, nid: int) -> Mapping:
        """mlock(2) forbids swapping, not moving."""
        memory = self.plain(home, nid)
        syscalls.mlock(memory.addr, memory.nbytes)
        self.hold.callback(syscalls.munlock, memory.addr, memory.nbytes)
        return memory

    def busy(self, home: int, nid: int, state: str) -> Mapping:
        """Folios that somebody has locked, or that are under "writeback", until self.hold is closed."""
        memory = self.plain(home, nid)
        hold = self.mod.hold(memory.addr, FEW, writeback=state == "writeback")
        self.hold.callback(self.mod.unhold, hold)
        return memory

    def shared(self, home: int, nid: int) -> Mapping:
        """Mapped by another task as well."""
        memory = self.plain(home, nid)
        sharer = self.child.start(share, memory)
        sharer.step()
        self.hold.callback(sharer.finish)
        return memory

    def read_only(self, home: int, nid: int) -> Mapping:
        memory = self.plain(home, nid)
        memory.protect(syscalls.PROT_READ)
        return memory

    def no_access(self, home: int, nid: int) -> Mapping:
        memory = self.plain(home, nid)
        memory.protect(syscalls.PROT_NONE)
        self.hold.callback(memory.protect, syscalls.PROT_READ)
        return memory


KINDS: dict[str, Callable[[Maker, int, int], Mapping]] = {
    "plain": Maker.plain,
    "pinned": Maker.pinned,
    "in_a_pipe": Maker.in_a_pipe,
    "locked": Maker.locked,
    "shared": Maker.shared,
    "read_only": Maker.read_only,
    "no_access": Maker.no_access,
}
FLAGS = {"move": MPOL_MF_MOVE, "move_all": MPOL_MF_MOVE_ALL}


def tried(mod: TestModule, memory: Mapping, source: int, target: int, flags: int) -> tuple[object, ...]:
    """Everything that user space sees of a move: what the call returned, the statuses and the places, with
    "source" and "target" for the nodes."""
    words = {source: "source", target: "target"}
    try:
        result, statuses = syscalls.move_pages_result(0, memory.addrs(), [target] * FEW, flags)
    except OSError as error:
        return errno_name(error.errno or 0), (), ()
    told = tuple(
        words.get(status, status) if isinstance(status, int) else status for status in names(statuses)
    )
    asked = names(syscalls.move_pages(0, memory.addrs(), None))
    where = tuple(words.get(nid) if nid is not None else None for nid in located(mod, memory).nodes)
    return result, told, where, tuple(words.get(one, one) if isinstance(one, int) else one for one in asked)

# SPDX-License-Identifier: GPL-2.0-only
"""The crew: an xdist session inside the guest, whose workers are the actors of each scene.

The test that the host asked for is the conductor. Its actors have to run at once, on one kernel, and as
processes of their own: workers of xdist are that, each with a pytest case of its own (seat.py). There is one
session for all scenes of a guest: its case asks for one act after the other, over a socket. A worker that
dies is a finding by itself, and takes the session with it; the next scene has a new one.
"""

import os
import signal
import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Listener, wait
from pathlib import Path
from typing import Any

from helpers.pace import scaled
from helpers.wait import wait_until
from selftests.stress import session
from selftests.stress.playing import Act, Told

__all__ = ["SOCKET", "Crew", "CrewError", "Seat"]

SOCKET = "PNODE_STRESS_SOCKET"
HERE = Path(__file__).resolve().parent
#: Plugins that cost time, of which there is little.
UNUSED = ("cacheprovider", "unraisableexception", "threadexception", "doctest", "junitxml", "faulthandler")
#: Seconds until all workers have said that they are there.
START = 60.0
#: Seconds beyond the end of its act in which a worker has to answer: it verifies all that it has.
GRACE = 30.0


class CrewError(RuntimeError):
    """The session did not come up, or a worker went. The message has what pytest said."""


@dataclass
class Seat:
    """A worker: its name to xdist, its process, and the line to it."""

    name: str
    pid: int
    line: Connection


class Crew:
    """`size` workers. Raises CrewError when they do not come up."""

    def __init__(self, size: int) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="pnode-stress-")
        self.said = Path(self.folder.name, "pytest.log")
        self.seats: list[Seat] = []
        address = str(Path(self.folder.name, "conductor"))
        self.listener = Listener(address, "AF_UNIX", backlog=size)
        self.status: int | None = None
        self.pid = self._start(size, address)
        try:
            self._gather(size)
        except BaseException:
            self.close()
            raise

    def _start(self, size: int, address: str) -> int:
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        env |= {SOCKET: address, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        words = [
            *("-p", "xdist", f"-n{size}", "--dist=each", "-q", "--noconftest", "-c", os.devnull),
            *(f"--rootdir={HERE}", "--import-mode=importlib", "-s"),
            *(word for name in UNUSED for word in ("-p", f"no:{name}")),
            f"--basetemp={self.folder.name}/tmp",
            str(HERE / "seat.py"),
        ]
        return session.start(words, env, self.said)

    def _gather(self, size: int) -> None:
        socket = self.listener._listener._socket  # type: ignore[attr-defined]
        socket.settimeout(scaled(START))
        for _seat in range(size):
            try:
                line = self.listener.accept()
            except TimeoutError:
                raise CrewError(f"{len(self.seats)} of {size} workers came up: {self.output()}") from None
            name, pid = line.recv()
            self.seats.append(Seat(name, pid, line))
        self.seats.sort(key=lambda seat: seat.name)

    def output(self) -> str:
        """The last of what pytest said."""
        return self.said.read_text(errors="replace")[-4000:]

    @property
    def pids(self) -> list[int]:
        return [seat.pid for seat in self.seats]

    def give(self, acts: list[Act]) -> None:
        """Let as many workers play as there are acts, all at once."""
        for seat, act in zip(self.seats, acts, strict=False):
            seat.line.send(act)

    def told(self, which: Collection[int], timeout: float) -> list[tuple[int, Told | None]]:
        """Answers of those acts that came within `timeout` seconds: (number of the act, what came of it;
        None: its worker is gone)."""
        waiting: dict[Any, int] = {self.seats[index].line: index for index in which}
        found: list[tuple[int, Told | None]] = []
        for line in wait(list(waiting), timeout):
            try:
                found.append((waiting[line], line.recv()))  # type: ignore[union-attr]
            except (EOFError, OSError):
                found.append((waiting[line], None))
        return found

    @property
    def whole(self) -> bool:
        """Whether the session goes on."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is None

    def close(self) -> None:
        """Send everybody home; whoever does not go is killed."""
        for seat in self.seats:
            with suppress(OSError):
                seat.line.send(None)
        with suppress(TimeoutError):
            wait_until(lambda: not self.whole, GRACE, "")
        self.kill()
        for seat in self.seats:
            seat.line.close()
        self.listener.close()
        self.folder.cleanup()

    def kill(self) -> None:
        """End all of them at once, with their children."""
        for pid in (*self.pids, self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.whole, GRACE, f"the end of pytest, {self.pid}")

# SPDX-License-Identifier: GPL-2.0-only
"""The thread that owns a pool's guests."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from tools.guest import boot as boots
from tools.guest import control
from tools.guest.slot import Boot, Launch, Slot

# How long a guest may outlive its worker wrapper.
_ORPHAN_SECONDS = 3.0


class Keeper:
    """The thread that starts and reaps a pool's guests: PDEATHSIG is bound to the life of the thread that
    starts a child.
    """

    def __init__(self) -> None:
        self._requests: queue.Queue[tuple[Slot, Launch, queue.Queue[Any]] | None] = queue.Queue()
        self._wake, self._woken = os.pipe()
        self._processes: list[tuple[Boot, subprocess.Popen[bytes]]] = []
        self._thread = threading.Thread(target=self._run, name="pnode-guests", daemon=True)
        self._thread.start()

    def start(self, slot: Slot, launch: Launch) -> tuple[Boot, subprocess.Popen[bytes]]:
        """boot.start() in the keeper's thread. Raises GuestError."""
        answer: queue.Queue[Any] = queue.Queue()
        self._requests.put((slot, launch, answer))
        os.write(self._woken, b"x")
        result = answer.get()
        if isinstance(result, BaseException):
            raise result
        boot, process = result
        return boot, process

    def stop(self) -> None:
        """Kill what is left and end the thread."""
        if self._thread.is_alive():
            self._requests.put(None)
            os.write(self._woken, b"x")
            self._thread.join()
            os.close(self._wake)
            os.close(self._woken)

    def _run(self) -> None:
        while True:
            select.select([self._wake], [], [], 0.25)
            while not self._requests.empty():
                os.read(self._wake, 1)
                request = self._requests.get()
                if request is None:
                    for _, process in self._processes:
                        boots.kill(process)
                    return
                slot, launch, answer = request
                try:
                    started = boots.start(slot, launch)
                    self._processes.append(started)
                    answer.put(started)
                except BaseException as error:
                    answer.put(error)
            with contextlib.suppress(OSError):  # a full disk: no notes, but the guests go on
                self._watch()

    def _watch(self) -> None:
        for boot, process in list(self._processes):
            owner = boot.claimed_by()
            if process.poll() is not None:
                self._processes.remove((boot, process))
                boots.note_exit(boot, process.returncode)
                # Otherwise the wrapper notes how its guest ended.
                if (owner is None or not _alive(owner)) and boot.state().get("state") in ("ready", "running"):
                    boots.finish(boot)
            elif owner is not None and not _alive(owner):
                # The wrapper was killed; in order, it ends its guest itself.
                deadline = time.monotonic() + _ORPHAN_SECONDS
                while process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.05)
                control.kill_boot(boot, "its worker wrapper is gone")
                boots.finish(boot)


def _alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False

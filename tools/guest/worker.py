# SPDX-License-Identifier: GPL-2.0-only
"""The worker wrapper: to execnet it is a Python interpreter on a pipe, in truth that interpreter is in a
guest.

    worker --slot K --run-dir RUN [what execnet would tell Python, which the guest does anyway]

Takes the guest that waits in the slot, or boots one when that was used or is dead; then copies standard
input to the guest and the guest's answers to standard output. When the guest ends, the wrapper first notes
how in state.json and then ends itself, so whoever sees the worker crash finds the reason already there.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import json

from tools.guest import boot as boots
from tools.guest import control, hostside
from tools.guest.errors import GuestError
from tools.guest.framing import Framing, Garbage
from tools.guest.qemu import WORKER_SOCKET
from tools.guest.slot import Boot, Launch, Slot

# This folder, which is there because the script is in it: `import qemu` would find the wrong one.
with contextlib.suppress(ValueError):
    sys.path.remove(str(Path(__file__).resolve().parent))

_HELLO_SECONDS = 30.0
# Boots of a replacement: xdist gives up the whole run when a worker cannot be had, so one bad boot must not.
_ATTEMPTS = 3
# Between the end of the host's side and the guest's powering off by itself.
_LEAVE_SECONDS = 3.0
# Between the end of the connection and QEMU's exit.
_EXIT_SECONDS = 5.0
_CHUNK = 1 << 16
_ENTROPY = 32  # bytes
_LOOK_SECONDS = 0.5


class HostGone(Exception):
    """Standard input was closed before there was anything to do."""


def main() -> int:
    """Be the worker. Exit status 0 when the guest ended in order, 1 otherwise."""
    parser = argparse.ArgumentParser(description="wrapper for pytest-xdist; see pool.tx()")
    parser.add_argument("--slot", type=int, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    options, _ = parser.parse_known_args()
    # ^C is for pytest, which then tells its workers to stop; it would only tear the connection here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    slot = Slot(options.run_dir, options.slot)
    process: subprocess.Popen[bytes] | None = None
    try:
        launch = slot.launch()
        boot, process = _take(slot, launch)
        connection = _attach(boot, launch)
    except HostGone:
        return 1
    except (GuestError, OSError, ValueError) as error:
        print(f"pnode: worker {options.slot}: {error}", file=sys.stderr)
        return 1
    finally:
        if sys.exc_info()[0] is not None and process is not None:
            boots.kill(process)
    hostside.serve(boot.path)
    threading.Thread(target=_guard_console, args=(boot, launch.console_bytes), daemon=True).start()
    _relay(boot, connection)
    try:
        _await_end(boot, process)
        state = boots.finish(boot)
    except OSError as error:  # a full disk: nobody will read why, but the worker is gone all the same
        print(f"pnode: worker {options.slot}: {error}", file=sys.stderr)
        return 1
    return 0 if state["state"] == "over" else 1


def _take(slot: Slot, launch: Launch) -> tuple[Boot, subprocess.Popen[bytes] | None]:
    """The waiting guest, or a new one with its process, which is then our child."""
    boot = slot.current()
    if (
        boot is not None
        and boot.state().get("state") == "ready"
        and boot.qemu_pid()
        and boot.claim(os.getpid())
    ):
        return boot, None
    for _ in range(_ATTEMPTS - 1):
        try:
            return _boot(slot, launch)
        except GuestError as error:
            print(f"pnode: worker {slot.index}: {error}; trying again", file=sys.stderr, flush=True)
            launch = replace(launch, warm=None)
    return _boot(slot, replace(launch, warm=None))


def _boot(slot: Slot, launch: Launch) -> tuple[Boot, subprocess.Popen[bytes]]:
    """A new guest, ready. Raises GuestError, or HostGone when nobody waits for it any more."""
    boot, process = boots.start(slot, launch)
    boot.claim(os.getpid())
    waiting = boots.Waiting(boot, launch, process)
    while waiting.poll() is None:
        if _host_gone():
            boots.kill(process)
            boot.update(state="dead", reason="killed: the run ended while the guest was booting")
            raise HostGone
        time.sleep(0.02)
    return boot, process


def _host_gone() -> bool:
    poller = select.poll()
    poller.register(0, 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poller.poll(0))


def _attach(boot: Boot, launch: Launch) -> socket.socket:
    """Connect to the guest's worker and set it up. Raises OSError or GuestError."""
    pace = float(boot.state().get("record", {}).get("pace") or 1.0)
    connection = control.connect(boot.path, WORKER_SOCKET)
    connection.settimeout(_HELLO_SECONDS * pace)
    expected = launch.hello.encode() + b"\n"
    hello = b""
    while len(hello) < len(expected) and (piece := connection.recv(len(expected) - len(hello))):
        hello += piece
    if hello != expected:
        raise GuestError(f"the guest's worker says {hello!r}, not {expected!r}", boot.console)
    setup = json.dumps(
        {
            "env": {**launch.env, "PNODE_PACE": str(pace)},
            "cwd": os.getcwd(),
            "time": time.time(),
            "entropy": os.urandom(_ENTROPY).hex(),
        }
    ).encode()
    connection.sendall(b"%08x" % len(setup) + setup)
    connection.settimeout(None)
    with contextlib.suppress(OSError):  # a full disk: a note less
        boot.update(state="running", worker=os.getpid())
    return connection


def _relay(boot: Boot, connection: socket.socket) -> None:
    """Copy both ways until the guest's side has ended, or a while after the host's did."""
    threading.Thread(target=_to_guest, args=(boot, connection), daemon=True).start()
    framing = Framing()
    while True:
        try:
            data = connection.recv(_CHUNK)
        except OSError:
            return
        if not data:
            return
        broken: Garbage | None = None
        try:
            framing.feed(data)
        except Garbage as garbage:  # none of it may reach the host: it would wait for the rest for ever
            broken, data = garbage, data[: garbage.whole]
        try:
            _write_all(1, data)
        except OSError:  # the host is gone: let the guest have its end all the same
            _leave(boot)
            return
        if broken is not None:
            control.kill_boot(boot, f"its worker's channel is broken: {broken}")
            return


def _guard_console(boot: Boot, most: int) -> None:
    """End a guest that fills the disk by its console."""
    while boot.console.stat().st_size <= most:
        time.sleep(_LOOK_SECONDS)
    control.kill_boot(boot, f"its console has more than {most >> 20} MiB")


def _to_guest(boot: Boot, connection: socket.socket) -> None:
    while data := os.read(0, _CHUNK):
        try:
            connection.sendall(data)
        except OSError:
            return
    _leave(boot)


def _leave(boot: Boot) -> None:
    """The host's side ended. The guest was told before, or the host died: give it a moment, then end it."""
    pid = boot.qemu_pid()
    if pid is not None and not boots.wait_gone(pid, _LEAVE_SECONDS):
        control.kill_boot(boot, "the run ended")


def _await_end(boot: Boot, process: subprocess.Popen[bytes] | None) -> None:
    pid = boot.qemu_pid()
    if pid is not None and not boots.wait_gone(pid, _EXIT_SECONDS):
        control.kill_boot(boot, "its worker's connection ended, but the guest went on")
    if process is not None:
        boots.note_exit(boot, process.wait())


def _write_all(handle: int, data: bytes) -> None:
    view: Any = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


if __name__ == "__main__":
    status = main()
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(status)  # the thread that reads standard input may still be waiting

# SPDX-License-Identifier: GPL-2.0-only
"""Ends guests from outside: for the watchdog, and when a run is over."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path

from tools.guest.boot import wait_gone
from tools.guest.slot import Boot, Slot, slots

_QMP_SECONDS = 2.0
# A panic's backtraces take a moment on a serial console under TCG, and several on a busy host.
_LAST_WORDS_SECONDS = 15.0
# The wrapper reads the console, notes how the guest ended, and leaves.
_WRAPPER_SECONDS = 10.0


def kill_slot(run_dir: Path, slot: int, reason: str, *, last_words: bool = True) -> bool:
    """End the current guest of a slot and note why; False when there was none running.

    With `last_words` the guest first gets an NMI, which makes it panic with the backtrace of what it hangs
    in; whether or not that works, it is gone when this returns, a few seconds later at most.
    """
    boot = Slot(run_dir, slot).current()
    if boot is None:
        return False
    if boot.qemu_pid() is None:
        # It has ended by itself. A wrapper that was stopped does not notice, and nobody else would.
        if boot.state().get("state") in ("ready", "running"):
            _end_wrapper(boot)
        return False
    killed = kill_boot(boot, reason, last_words=last_words)
    _end_wrapper(boot)
    return killed


def kill_boot(boot: Boot, reason: str, *, last_words: bool = False) -> bool:
    """End one guest; False when it was not running."""
    pid = boot.qemu_pid()
    if pid is None:
        return False
    with contextlib.suppress(OSError):  # a full disk: it has to go all the same
        (boot.path / "killed").write_text(reason + "\n")
    if last_words and inject_nmi(boot) and wait_gone(pid, _LAST_WORDS_SECONDS):
        return True
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_gone(pid, _QMP_SECONDS)
    return True


def _end_wrapper(boot: Boot) -> None:
    """The wrapper ends with its guest. One that does not (it was stopped) would keep the host waiting for
    ever."""
    wrapper = boot.claimed_by()
    if wrapper is not None and not wait_gone(wrapper, _WRAPPER_SECONDS) and boot.claimed_by() == wrapper:
        with contextlib.suppress(ProcessLookupError):
            os.kill(wrapper, signal.SIGKILL)


def kill_all(run_dir: Path, reason: str) -> int:
    """End every guest of a run; returns how many were running."""
    return sum(kill_boot(boot, reason) for slot in slots(run_dir) for boot in slot.boots())


def inject_nmi(boot: Boot) -> bool:
    """Interrupt all CPUs of a guest with an NMI; False when QEMU does not answer."""
    from tools.guest import qmp  # loads asyncio, which a run that goes well has no use for

    try:
        qmp.execute(boot.path, "inject-nmi")
    except (OSError, qmp.Refused):
        return False
    return True


def connect(folder: Path, name: str) -> socket.socket:
    """A connection to a Unix socket by folder and name: the whole path may be longer than an address can
    hold.

    Raises OSError.
    """
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(f"/proc/self/fd/{handle}/{name}")
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(handle)
    return connection

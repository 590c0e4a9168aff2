# SPDX-License-Identifier: GPL-2.0-only
"""Faults that come from outside of the guest: done by a thread of the runner when their test has started."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tools.chaos.data import Fault
from tools.guest.slot import Boot, Slot
from tools.report.workers import Running

INTERVAL = 0.05
#: The test is to wait already.
AFTER = 0.3
_FILLING = 1 << 20


class Injector(threading.Thread):
    """Watches which tests run, and strikes once for each that is a fault of the host or of the run.

    running  the tests that run now; faults  by node id; run_dir  of the session
    """

    def __init__(
        self, running: Callable[[], Sequence[Running]], faults: Mapping[str, Fault], run_dir: Path
    ) -> None:
        super().__init__(name="pnode-chaos", daemon=True)
        self._running, self._faults, self._run_dir = running, faults, run_dir
        self._done = threading.Event()

    def run(self) -> None:
        """Strike until stop()."""
        struck: set[str] = set()
        while not self._done.wait(INTERVAL):
            for test in self._running():
                fault = self._faults.get(test.nodeid)
                if fault is None or fault.by == "test" or test.nodeid in struck or test.slot is None:
                    continue
                struck.add(test.nodeid)
                self._done.wait(AFTER)
                strike(fault.name, self._run_dir, test.slot)

    def stop(self) -> None:
        """End the thread."""
        self._done.set()
        self.join()


def strike(name: str, run_dir: Path, slot: int) -> None:
    """Do what the fault says, to the guest of this slot or to the run. Raises KeyError for others."""
    boot = Slot(run_dir, slot).current()
    if boot is not None:
        _STRIKES[name](boot, run_dir)


def _signal_qemu(number: signal.Signals) -> Callable[[Boot, Path], None]:
    return lambda boot, _: _send(boot.qemu_pid(), number)


def _signal_wrapper(number: signal.Signals) -> Callable[[Boot, Path], None]:
    return lambda boot, _: _send(boot.claimed_by(), number)


def _send(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _signal_runner(number: signal.Signals) -> Callable[[Boot, Path], None]:
    return lambda boot, _: os.kill(os.getpid(), number)


def _fill_disk(boot: Boot, run_dir: Path) -> None:
    """Take the last byte; a file is smaller afterwards than one that could be written."""
    with contextlib.suppress(OSError), (run_dir / "filler").open("wb", buffering=0) as file:
        size = _FILLING
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


def _no_replacement(boot: Boot, run_dir: Path) -> None:
    slot = Slot(run_dir, boot.slot)
    launch = slot.launch()
    argv = [word if word != "-kernel" else "-no-such-option" for word in launch.argv]
    slot.set_launch(replace(launch, argv=argv))
    _send(boot.qemu_pid(), signal.SIGKILL)


_STRIKES: dict[str, Callable[[Boot, Path], None]] = {
    "kill-qemu": _signal_qemu(signal.SIGKILL),
    "terminate-qemu": _signal_qemu(signal.SIGTERM),
    "stop-qemu": _signal_qemu(signal.SIGSTOP),
    "kill-wrapper": _signal_wrapper(signal.SIGKILL),
    "stop-wrapper": _signal_wrapper(signal.SIGSTOP),
    "kill-runner": _signal_runner(signal.SIGKILL),
    "interrupt-runner": _signal_runner(signal.SIGINT),
    "full-disk": _fill_disk,
    "no-replacement": _no_replacement,
}
NAMES = frozenset(_STRIKES)

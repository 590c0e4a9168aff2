# SPDX-License-Identifier: GPL-2.0-only
"""Boots all guests of a topology at the same time and keeps them until pytest-xdist has used them.

Each slot is one xdist worker. The pool starts the first guest of each; the worker wrapper takes it, and
boots the following ones itself when a guest died.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from tools.guest import boot as boots
from tools.guest import control, initramfs, warm
from tools.guest.accel import Accel
from tools.guest.errors import GuestError, GuestStalled
from tools.guest.keeper import Keeper
from tools.guest.slot import Boot, Launch, Slot
from tools.guest.spec import HELLO, GuestSpec, Prepared, environment, prepare

WORKER = Path(__file__).with_name("worker")

# Seconds from start to ready record on an idle machine with a core per vCPU, and to the first byte of the
# console.
_DEADLINES = {"tcg": (60.0, 20.0), "kvm": (30.0, 10.0)}
# Boots of a guest that loses a timer each time.
_ATTEMPTS = 3


@dataclass(frozen=True)
class Guest:
    """A guest that came up: slot, ready record (see inside/init.py), seconds since QEMU's start, and what it
    found itself to be (helpers/machine.py; None when it did not say).
    """

    slot: int
    boot: Boot
    record: dict[str, Any]
    seconds: dict[str, float]
    machine: dict[str, Any] | None = None


def start(spec: GuestSpec, slots: int, run_dir: Path, *, first_slot: int = 0) -> Pool:
    """Boot `slots` guests at the same time and wait until all are ready.

    Raises GuestError, with all guests gone, as soon as one cannot become ready. One that stalls is booted
    again.
    """
    prepared = prepare(spec)
    pool = Pool(spec, prepared, [Slot(run_dir, first_slot + number) for number in range(slots)])
    try:
        pool._boot(_launch(spec, prepared, slots))
    except OSError as error:
        pool.close()
        raise GuestError(f"cannot start guests: {error.strerror}: {error.filename or run_dir}") from error
    except BaseException:
        pool.close()
        raise
    return pool


class Pool:
    """Guests that are up. A context manager: leaving it ends them all."""

    def __init__(self, spec: GuestSpec, prepared: Prepared, slots: list[Slot]) -> None:
        self.spec = spec
        self.accel: Accel = prepared.accel
        self.initrd: initramfs.Image = prepared.initrd
        self.slots = slots
        self.guests: list[Guest] = []
        self._keeper = Keeper()

    @property
    def pace(self) -> float:
        """What bounds in seconds are to be multiplied by: the slowest guest's measure, 1 or more."""
        return max(float(guest.record.get("pace", 1.0)) for guest in self.guests)

    @property
    def record(self) -> dict[str, Any]:
        """The ready record of the first guest; they all run the same kernel."""
        return self.guests[0].record

    def tx(self) -> list[str]:
        """One pytest-xdist `--tx` value per slot."""
        return [tx(slot) for slot in self.slots]

    def close(self) -> None:
        """End all guests, also those that wrappers booted; may be called twice."""
        for slot in self.slots:
            for boot in slot.boots():
                control.kill_boot(boot, "end of the run")
        self._keeper.stop()
        for slot in self.slots:
            for boot in slot.boots():
                if boot.state().get("state") in ("booting", "ready", "running"):
                    with contextlib.suppress(OSError):  # a full disk: a note less
                        boots.finish(boot)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _boot(self, launch: Launch) -> None:
        """All at once; where guests can be kept (warm.py), all from a state, which the first one may have to
        make."""
        began = time.monotonic()
        self.guests = self._start_all(launch)
        up = round(time.monotonic() - began, 2)
        self.guests = [replace(guest, seconds=guest.seconds | {"up": up}) for guest in self.guests]

    def _start_all(self, launch: Launch) -> list[Guest]:
        if not launch.keep:
            return self._boot_at_once(self.slots, launch)
        first: list[Guest] = []
        if not warm.usable(launch.warm):
            first = self._boot_at_once(self.slots[:1], launch)
            launch = replace(launch, warm=self._keep(first[0], launch))
            self._tell(self.slots[:1], launch)
        try:
            return first + self._boot_at_once(self.slots[len(first) :], launch)
        except GuestError:
            if not launch.warm:
                raise
            warm.discard(launch.warm)
            launch = replace(launch, warm=None)
            self._tell(self.slots[:1], launch)
            for boot in (boot for slot in self.slots[len(first) :] for boot in slot.boots()):
                control.kill_boot(boot, "another guest does not go on from where it was kept")
            return first + self._boot_at_once(self.slots[len(first) :], launch)

    def _keep(self, guest: Guest, launch: Launch) -> str | None:
        """The folder of the guest's state, None when it cannot be had."""
        from tools.guest import waking  # loads asyncio

        until = time.monotonic() + launch.deadline
        while not waking.waits(guest.boot):
            if time.monotonic() > until or guest.boot.qemu_pid() is None:
                return None
            time.sleep(0.02)
        return waking.save(guest.boot, launch.keep)

    def _tell(self, slots: Sequence[Slot], launch: Launch) -> None:
        for slot in slots:
            slot.set_launch(replace(launch, env={**launch.env, "PNODE_SLOT": str(slot.index)}))

    def _boot_at_once(self, slots: Sequence[Slot], launch: Launch) -> list[Guest]:
        """Start guests and wait until all are ready. Raises GuestError."""
        self._tell(slots, launch)
        waiting = {slot.index: self._start(slot, launch) for slot in slots}
        left = dict.fromkeys(waiting, _ATTEMPTS - 1)
        ready: dict[int, Guest] = {}
        while len(ready) < len(waiting):
            for slot in slots:
                guest = waiting[slot.index]
                try:
                    record = guest.poll() if slot.index not in ready else None
                except GuestStalled:
                    if not left[slot.index]:
                        raise
                    left[slot.index] -= 1
                    waiting[slot.index] = self._start(slot, launch)
                    continue
                if record is not None:
                    state = guest.boot.state()
                    ready[slot.index] = Guest(
                        slot.index, guest.boot, record, state["seconds"], state.get("machine")
                    )
            time.sleep(0.02)
        return [ready[slot.index] for slot in slots]

    def _start(self, slot: Slot, launch: Launch) -> boots.Waiting:
        boot, process = self._keeper.start(slot, launch)
        return boots.Waiting(boot, launch, process)


def tx(slot: Slot) -> str:
    """The `--tx` value for a slot: an execnet popen gateway whose Python is the wrapper.

    execnet sets env: in the guest, so the wrapper gets its slot as arguments. Raises GuestError for a path
    it cannot pass.
    """
    words = [str(WORKER), "--slot", str(slot.index), "--run-dir", str(slot.run_dir.absolute())]
    if any("//" in word for word in words):
        raise GuestError(f"{slot.run_dir}: '//' in the path; choose another folder for the run")
    return f"popen//python={shlex.join(words)}//env:PNODE_SLOT={slot.index}"


def _launch(spec: GuestSpec, prepared: Prepared, slots: int) -> Launch:
    ready, first = _DEADLINES[prepared.accel.name]
    busy = slots * spec.topology.vcpus + os.getloadavg()[0]
    crowd = max(1.0, busy / (os.cpu_count() or 1))
    kept, place = "", None
    if spec.warm and warm.possible(spec.topology, prepared.accel.name):
        with contextlib.suppress(OSError):  # no cache: guests boot
            kept = warm.key(prepared.argv, spec.kernel)
            place = str(warm.folder(kept))
    return Launch(
        topology=spec.topology.name,
        accel=prepared.accel.name,
        argv=prepared.argv,
        env=environment(spec),
        hello=HELLO,
        deadline=spec.deadline or ready * crowd * spec.patience,
        first_output=first * crowd * spec.patience,
        console_bytes=spec.console_bytes,
        keep=kept,
        warm=place,
    )


__all__ = ["Guest", "GuestSpec", "Pool", "prepare", "start", "tx"]

# SPDX-License-Identifier: GPL-2.0-only
"""Boots all guests of a topology at the same time and keeps them until pytest-xdist has used them.

Each slot is one xdist worker. The pool starts the first guest of each; the worker wrapper takes it, and
boots the following ones itself when a guest died.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import shlex
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tools.guest import accel as accelerators
from tools.guest import boot as boots
from tools.guest import control, image, initramfs, qemu
from tools.guest.accel import Accel
from tools.guest.errors import GuestError
from tools.guest.slot import Boot, Launch, Slot
from tools.guest.topology import Topology
from tools.paths import ROOT

WORKER = Path(__file__).with_name("worker")
HELLO = "pnode-worker 1"
MODULE_IN_GUEST = "/pnode/pnode_test.ko"

# Imported by the guest's first process, from which workers are forked; a missing one is found at boot.
# Plugins only have to be present: pytest warns when one that it may want to rewrite is already imported.
PRELOAD = ("pytest", "guest_plugin", "execnet.gateway_base", "cffi", "psutil")
PRESENT = ("xdist", "pytest_timeout")

# Seconds from start to ready record on an idle machine with a core per vCPU, and to the first byte of the
# console.
_DEADLINES = {"tcg": (60.0, 20.0), "kvm": (30.0, 10.0)}
# How long a guest may outlive its worker wrapper.
_ORPHAN_SECONDS = 3.0


@dataclass(frozen=True)
class GuestSpec:
    """What to boot. `accel` None: the topology's rule decides. `extra`: guest path to host file. `boot`:
    more boot arguments.

    `env` is set in the worker, beside PNODE_TOPOLOGY, PNODE_PROVIDES and PNODE_SLOT. `deadline`: seconds
    until ready.
    """

    topology: Topology
    kernel: Path
    module: Path | None = None
    repository: Path = ROOT
    accel: Accel | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Path] = field(default_factory=dict)
    boot: tuple[str, ...] = ()
    deadline: float | None = None


@dataclass(frozen=True)
class Guest:
    """A guest that came up: slot, ready record (see inside/init.py), and seconds since QEMU's start."""

    slot: int
    boot: Boot
    record: dict[str, Any]
    seconds: dict[str, float]


def prepare(
    spec: GuestSpec, *, console: bool = False, terminal: str = ""
) -> tuple[Accel, initramfs.Image, list[str]]:
    """Check the input, build the initramfs, decide on the accelerator; returns both and QEMU's command line.

    Raises GuestError with one line about what is wrong.
    """
    image.check(spec.kernel)
    qemu.check_version(spec.topology)
    if spec.module is not None and not spec.module.is_file():
        raise GuestError(f"test module {spec.module} does not exist")
    initrd = initramfs.build(_request(spec))
    accel = spec.accel or accelerators.resolve(spec.topology, spec.kernel)
    more = [*spec.boot, *([f"pnode.shell={terminal}"] if console else [])]
    argv = qemu.command(
        spec.topology, accel.name, spec.kernel.absolute(), initrd.path, extra_boot=more, console=console
    )
    return accel, initrd, argv


def start(spec: GuestSpec, slots: int, run_dir: Path, *, first_slot: int = 0) -> Pool:
    """Boot `slots` guests at the same time and wait until all are ready.

    Raises GuestError, with all guests gone, as soon as one cannot become ready.
    """
    accel, initrd, argv = prepare(spec)
    launch = _launch(spec, accel, argv, slots)
    pool = Pool(spec, accel, initrd, [Slot(run_dir, first_slot + number) for number in range(slots)])
    try:
        pool._boot(launch)
    except BaseException:
        pool.close()
        raise
    return pool


class Pool:
    """Guests that are up. A context manager: leaving it ends them all."""

    def __init__(self, spec: GuestSpec, accel: Accel, initrd: initramfs.Image, slots: list[Slot]) -> None:
        self.spec = spec
        self.accel = accel
        self.initrd = initrd
        self.slots = slots
        self.guests: list[Guest] = []
        self._keeper = _Keeper()

    @property
    def record(self) -> dict[str, Any]:
        """The ready record of the first guest; they all run the same kernel."""
        return self.guests[0].record

    def tx(self) -> list[str]:
        """One pytest-xdist `--tx` value per slot."""
        return [tx(slot, self.spec) for slot in self.slots]

    def close(self) -> None:
        """End all guests, also those that wrappers booted; may be called twice."""
        for slot in self.slots:
            for boot in slot.boots():
                control.kill_boot(boot, "end of the run")
        self._keeper.stop()
        for slot in self.slots:
            for boot in slot.boots():
                if boot.state().get("state") in ("booting", "ready", "running"):
                    boots.finish(boot)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _boot(self, launch: Launch) -> None:
        waiting = []
        for slot in self.slots:
            slot.set_launch(_for_slot(launch, slot))
            boot, process = self._keeper.start(slot, launch)
            waiting.append((slot, boots.Waiting(boot, launch, process)))
        ready: dict[int, Guest] = {}
        while len(ready) < len(waiting):
            for slot, guest in waiting:
                if slot.index not in ready and (record := guest.poll()) is not None:
                    seconds = guest.boot.state()["seconds"]
                    ready[slot.index] = Guest(slot.index, guest.boot, record, seconds)
            time.sleep(0.02)
        self.guests = [ready[slot.index] for slot in self.slots]


class _Keeper:
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
            self._watch()

    def _watch(self) -> None:
        for boot, process in list(self._processes):
            owner = boot.claimed_by()
            if process.poll() is not None:
                self._processes.remove((boot, process))
                if owner is None and boot.state().get("state") == "ready":
                    boots.finish(boot)
            elif owner is not None and not _alive(owner):
                # The wrapper was killed; in order, it ends its guest itself.
                deadline = time.monotonic() + _ORPHAN_SECONDS
                while process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.05)
                control.kill_boot(boot, "its worker wrapper is gone")
                boots.finish(boot)


def tx(slot: Slot, spec: GuestSpec) -> str:
    """The `--tx` value for a slot: an execnet popen gateway whose Python is the wrapper.

    execnet sets env: in the guest, so the wrapper gets its slot as arguments. Raises GuestError for a path
    it cannot pass.
    """
    words = [str(WORKER), "--slot", str(slot.index), "--run-dir", str(slot.run_dir.absolute())]
    if any("//" in word for word in words):
        raise GuestError(f"{slot.run_dir}: '//' in the path; choose another folder for the run")
    environment = {"PNODE_SLOT": slot.index, "PNODE_TOPOLOGY": spec.topology.name}
    return "//".join(
        [
            "popen",
            f"python={shlex.join(words)}",
            *(f"env:{name}={value}" for name, value in environment.items()),
        ]
    )


def _launch(spec: GuestSpec, accel: Accel, argv: list[str], slots: int) -> Launch:
    ready, first = _DEADLINES[accel.name]
    busy = slots * spec.topology.vcpus + os.getloadavg()[0]
    crowd = max(1.0, busy / (os.cpu_count() or 1))
    return Launch(
        topology=spec.topology.name,
        accel=accel.name,
        argv=argv,
        env={
            "PNODE_TOPOLOGY": spec.topology.name,
            "PNODE_PROVIDES": ",".join(spec.topology.provides),
            **spec.env,
        },
        hello=HELLO,
        deadline=spec.deadline or ready * crowd,
        first_output=first * crowd,
    )


def _for_slot(launch: Launch, slot: Slot) -> Launch:
    return Launch(**{**launch.__dict__, "env": {**launch.env, "PNODE_SLOT": str(slot.index)}})


def _request(spec: GuestSpec) -> initramfs.Request:
    config = {
        "repository": str(spec.repository),
        "env": {"PATH": "/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        "module": MODULE_IN_GUEST if spec.module else None,
        "preload": list(PRELOAD),
        "present": list(PRESENT),
        "port": qemu.PORT_NAME,
        "hello": HELLO,
    }
    extra = dict(spec.extra)
    if spec.module:
        extra[MODULE_IN_GUEST] = spec.module
    return initramfs.Request(spec.repository, extra, {"/pnode/config.json": json.dumps(config).encode()})


def _alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


__all__ = ["Guest", "GuestSpec", "Pool", "prepare", "start", "tx"]

# SPDX-License-Identifier: GPL-2.0-only
"""Starts one QEMU and follows it until its guest is ready, or until it is clear that it will not be."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import time
from typing import Any, NoReturn

from tools.guest import console, warm
from tools.guest.errors import GuestError, GuestStalled
from tools.guest.slot import Boot, Launch, Slot, write_atomically

# The guest can be used: the test module may be missing, that is for the caller to judge.
USABLE = ("ready", "nomodule")
_POLL_SECONDS = 0.02
# The keeper looks a few times a second.
_EXIT_STATUS_SECONDS = 1.0
# kernel/rcu/tree_stall.h. Seen under TCG on a crowded host, always of the second CPU, which then never gets a
# timer interrupt again.
_LOST_TIMER = "kthread timer wakeup didn't happen for"

_HELP = {
    "noport": "the kernel has no virtio console port; it needs VIRTIO_PCI=y and VIRTIO_CONSOLE=y (built in)",
}


def start(slot: Slot, launch: Launch) -> tuple[Boot, subprocess.Popen[bytes]]:
    """Start a new guest in a slot, from the state that is kept where there is one. Raises GuestError when
    QEMU cannot be executed, OSError when nothing can be written.

    QEMU dies with the thread that calls this (PDEATHSIG follows threads), and does not see ^C of the
    terminal.
    """
    kept = launch.warm if launch.warm and warm.usable(launch.warm) else None
    boot = slot.new_boot({"topology": launch.topology, "accel": launch.accel, "warm": kept is not None})
    argv = launch.argv
    if kept is not None:
        warm.lay_out(kept, boot)
        argv = [*argv, *warm.arguments(kept)]
    (boot.path / "qemu.cmd").write_text(shlex.join(argv) + "\n")
    with (boot.path / "qemu.err").open("wb") as messages:
        try:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                cwd=boot.path,
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                start_new_session=True,
            )
        except OSError as error:
            boot.update(state="dead", reason=f"qemu: {error.strerror}")
            raise GuestError(
                f"cannot start QEMU: {error.filename}: {error.strerror}; see pnode doctor"
            ) from error
    (boot.path / "qemu.pid").write_text(f"{process.pid}\n")
    return boot, process


class Waiting:
    """Watches a guest come up; `poll()` until it says that the guest is ready."""

    def __init__(self, boot: Boot, launch: Launch, process: subprocess.Popen[bytes]) -> None:
        self.boot = boot
        self._launch = launch
        self._process = process
        self._started = time.monotonic()
        self._times: dict[str, float] = {}
        self._size = -1
        self._warm = bool(boot.state().get("warm"))

    def poll(self) -> dict[str, Any] | None:
        """The ready record once it is there, None before. Raises GuestError, having killed QEMU, when it
        will not come.
        """
        exited = self._process.poll()
        passed = time.monotonic() - self._started
        if self._warm:
            if exited is not None:
                self._fail("qemu", self._exit_text(exited))
            if passed > self._launch.deadline:
                self._fail("deadline", f"does not go on from where it was kept, for {passed:.0f} s")
            return self._wake()
        size = self.boot.console.stat().st_size if self.boot.console.exists() else 0
        if size != self._size or exited is not None:
            self._size = size
            record = self._look(console.text(self.boot.console), passed)
            if record is not None:
                return record
        if exited is not None:
            self._fail("qemu", self._exit_text(exited))
        if passed > self._launch.first_output and not self._times:
            self._fail("silent", f"the kernel printed nothing for {passed:.0f} s")
        if passed > self._launch.deadline:
            last = console.last_line(console.text(self.boot.console))
            self._fail("deadline", f"not ready after {passed:.0f} s, last line: {last}")
        return None

    def _wake(self) -> dict[str, Any] | None:
        """The record of the guest that was kept, with this one's pace."""
        from tools.guest import waking  # needs this module, and loads asyncio

        try:
            measured = waking.wake(self.boot)
        except OSError as error:
            self._fail("warm", f"does not go on from where it was kept: {error}")
        if measured is None:
            return None
        text = console.text(self.boot.console)
        record = console.records(text)[0] | measured
        self._times["warm"] = round(time.monotonic() - self._started, 2)
        self.boot.update(state="ready", record=record, machine=console.machine(text), seconds=self._times)
        return record

    def _look(self, text: str, passed: float) -> dict[str, Any] | None:
        for name, sign in (("kernel", "Linux version"), ("init", "Run /init")):
            if name not in self._times and sign in text:
                self._times[name] = round(passed, 2)
        if text and not self._times:
            self._times["output"] = round(passed, 2)
        for record in console.records(text)[:1]:
            if record["state"] in USABLE:
                self._times["ready"] = round(passed, 2)
                self.boot.update(
                    state="ready", record=record, machine=console.machine(text), seconds=self._times
                )
                return record
            self._fail(record["state"], _HELP.get(record["state"], str(record.get("error", record))), record)
        if (reason := console.panic(text)) is not None:
            self._fail("panic", f"kernel panic: {reason}")
        if _LOST_TIMER in text:
            self._fail("stalled", "a timer never fired, the host is too busy", error=GuestStalled)
        return None

    def _fail(
        self,
        reason: str,
        message: str,
        record: dict[str, Any] | None = None,
        error: type[GuestError] = GuestError,
    ) -> NoReturn:
        kill(self._process)
        excerpt = console.death(console.text(self.boot.console)).excerpt
        self.boot.update(
            state="dead", reason=f"{reason}: {message}", record=record, excerpt=excerpt, seconds=self._times
        )
        where = f"guest {self.boot.slot} ({self._launch.topology}, {self._launch.accel})"
        raise error(f"{where}: {message}", self.boot.console)

    def _exit_text(self, status: int) -> str:
        lines = (self.boot.path / "qemu.err").read_text(errors="replace").strip().splitlines()
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        said = lines[-1] if lines else console.last_line(console.text(self.boot.console))
        if not said and status == 0:
            return "the machine reset before the kernel printed anything; is the image damaged?"
        return f"QEMU ended at boot ({how}): {said or 'no message'}"


def wait_ready(boot: Boot, launch: Launch, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Wait for one guest. Raises GuestError as Waiting.poll does."""
    waiting = Waiting(boot, launch, process)
    while (record := waiting.poll()) is None:
        time.sleep(_POLL_SECONDS)
    return record


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a QEMU that is our child, and reap it."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()


def wait_gone(pid: int, seconds: float) -> bool:
    """Wait until a process that may not be our child has ended; False when it is still there after
    `seconds`.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        return bool(poller.poll(seconds * 1000))
    finally:
        os.close(handle)


def note_exit(boot: Boot, status: int) -> None:
    """Keep QEMU's exit status for finish(): only its parent gets to know it."""
    with contextlib.suppress(OSError):  # a full disk: a note less
        write_atomically(boot.path / "qemu.exit", f"{status}\n")


#: QEMU says so, and ends with status 0, as when its machine has reset.
_TERMINATED = "terminating on signal "


def _end_of_qemu(boot: Boot) -> str:
    """The reason of a guest whose kernel did not die: qemu (something outside ended it), reboot (asked for by
    a program), or reset (the machine ended by itself, as by a triple fault)."""
    lines = (boot.path / "qemu.err").read_text(errors="replace").strip().splitlines()
    said = f": {lines[-1]}" if lines else ""
    deadline = time.monotonic() + _EXIT_STATUS_SECONDS
    while not (boot.path / "qemu.exit").exists() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    try:
        status = int((boot.path / "qemu.exit").read_text())
    except (OSError, ValueError):
        return f"qemu: ended{said or ' without a word from the kernel'}"
    if status < 0:
        return f"qemu: killed by {signal.Signals(-status).name}{said}"
    if status:
        return f"qemu: ended with status {status}{said}"
    if _TERMINATED in said:
        return f"qemu: {_TERMINATED}{said.partition(_TERMINATED)[2]}"
    last = console.last_line(console.text(boot.console))
    if last.startswith("reboot: "):
        return last
    return f"reset: the machine reset without a word; last line of its console: {last}"


def finish(boot: Boot) -> dict[str, Any]:
    """Note in state.json how a guest that has ended came to its end. Returns the state.

    `state` is "over" (its worker left in order) or "dead"; `reason` begins with panic, oops, killed, worker,
    reboot, reset or qemu.
    """
    found = console.death(console.text(boot.console))
    if (boot.path / "killed").exists():
        why = (boot.path / "killed").read_text().strip()
        return boot.update(state="dead", reason=f"killed: {why}", excerpt=found.excerpt)
    if found.kind == "over":
        orderly = found.text == "exit 0"
        reason = f"worker: {found.text}"
        if found.text == "SIGKILL" and (killer := console.oom_kill(console.text(boot.console))):
            reason += f" by the kernel: {killer}"
        return boot.update(state="over" if orderly else "dead", reason=reason, excerpt=found.excerpt)
    if found.kind == "silent":
        return boot.update(state="dead", reason=_end_of_qemu(boot), excerpt=found.excerpt)
    return boot.update(state="dead", reason=f"{found.kind}: {found.text}", excerpt=found.excerpt)

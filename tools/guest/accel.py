# SPDX-License-Identifier: GPL-2.0-only
"""Decides what runs a guest's instructions: KVM where it is proved, else TCG.

That /dev/kvm exists and opens proves nothing: on some nested hosts (kvm_pvm, for one) a guest hangs right
after the boot ROM, or QEMU reports an internal error and sits there. So a kernel is booted, without root
file system, and has to get as far as missing it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from tools.guest import console, qemu
from tools.guest.boot import kill
from tools.guest.errors import GuestError
from tools.guest.slot import write_atomically
from tools.guest.topology import Topology
from tools.kernel import image, recipe
from tools.paths import cache_dir

# Seconds until the kernel has found that it has no root, and until it has printed anything at all. Where
# KVM works the first takes about one second and the second a fifth of that.
DEADLINE = 15.0
FIRST_OUTPUT = 5.0

# A panic of this kind means that the kernel initialised everything and looked for its first process.
_ARRIVED = ("VFS: Unable to mount root fs", "No working init found", "Requested init")

_DEVICE = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Accel:
    """An accelerator with the reason for it, a clause for people ("KVM: ..." or why not)."""

    name: Literal["kvm", "tcg"]
    reason: str


def resolve(topology: Topology, kernel: Path) -> Accel:
    """The accelerator for a topology's guests with this kernel. Raises GuestError when the rule is kvm and
    KVM fails.
    """
    if topology.accel == "tcg":
        return Accel("tcg", f"topology {topology.name} asks for it")
    found = probe(kernel)
    if topology.accel == "kvm" and found.name != "kvm":
        raise GuestError(f"topology {topology.name} needs KVM, but {found.reason}")
    return found


def probe(kernel_image: Path, *, fresh: bool = False) -> Accel:
    """Whether KVM boots a kernel on this machine; the answer is kept until reboot or another QEMU (unless
    `fresh`). That it does holds for every kernel; that it does not, for this image: it may be the kernel's
    own fault.

    Raises UserError when the image is no usable kernel or QEMU is missing: neither says anything about KVM.
    """
    image.inspect(kernel_image)
    known = Known.load()
    digest = recipe.digest(kernel_image)
    if not fresh and (kept := known.of(digest)) is not None:
        return kept
    if (problem := _openable()) is not None:
        return Accel("tcg", problem)  # takes no time to find out, and may be mended at any time
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    found = judge(probe_command(kernel_image), DEADLINE * busy, FIRST_OUTPUT * busy)
    known.keep(digest, found)
    return found


@dataclass
class Known:
    """What probe boots have shown since the machine was booted, with this QEMU: why KVM works, None while no
    kernel has shown it, and why not by sha256 of the image."""

    key: dict[str, Any]
    works: str | None = None
    fails: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Self:
        """What is kept; nothing where that is of another boot or QEMU, or no such file."""
        key = {"boot_id": _BOOT_ID.read_text().strip(), "qemu": list(qemu.version())}
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            data = json.loads(_cache().read_text())
            if data["key"] == key:
                return cls(key, data["works"], dict(data["fails"]))
        return cls(key)

    def of(self, digest: str) -> Accel | None:
        """The answer for an image; None where its boot has to be tried."""
        if digest in self.fails:
            return Accel("tcg", self.fails[digest])
        return None if self.works is None else Accel("kvm", self.works)

    def keep(self, digest: str, found: Accel) -> None:
        """Remember what a boot has shown."""
        self.fails.pop(digest, None)
        if found.name == "kvm":
            self.works = found.reason
        else:
            self.fails[digest] = found.reason
        with contextlib.suppress(OSError):  # a full disk is no reason to go slower, only to ask again
            write_atomically(_cache(), json.dumps(asdict(self)) + "\n")


def _cache() -> Path:
    return cache_dir() / "accel.json"


def probe_command(kernel_image: Path) -> list[str]:
    """QEMU's command line for the probe boot."""
    return [
        *(qemu.PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "q35", "-accel", "kvm", "-cpu", "host", "-smp", "2", "-m", "256M"),
        *(
            "-kernel",
            str(kernel_image),
            "-append",
            "console=ttyS0 panic=-1",
            "-serial",
            f"file:{qemu.CONSOLE}",
        ),
    ]


def _openable() -> str | None:
    """Why /dev/kvm cannot be used, or None."""
    try:
        os.close(os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return "there is no /dev/kvm"
    except OSError as error:
        return f"/dev/kvm: {error.strerror}"
    return None


def judge(command: list[str], deadline: float, first_output: float) -> Accel:
    """Run a probe boot and say what its console proves; QEMU is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pnode-probe-") as folder:
        log = Path(folder, qemu.CONSOLE)
        with Path(folder, "messages").open("w+") as messages:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                start_new_session=True,
            )
            try:
                took, text = _follow(process, log, deadline, first_output)
            finally:
                kill(process)
            messages.seek(0)
            said = messages.read().strip().splitlines()
    if any(sign in text for sign in _ARRIVED):
        return Accel("kvm", f"KVM ran a kernel in {took:.1f} s")
    if said:
        return Accel("tcg", f"QEMU with KVM says: {said[-1][:200]}")
    if not text.strip():
        return Accel("tcg", f"under KVM the kernel printed nothing for {took:.0f} s")
    return Accel(
        "tcg", f"under KVM the kernel stopped after {took:.0f} s at: {console.last_line(text)[:120]}"
    )


def _follow(
    process: subprocess.Popen[bytes], log: Path, deadline: float, first_output: float
) -> tuple[float, str]:
    """Seconds that passed, and the console, when the kernel arrived, QEMU ended, or a deadline passed."""
    started = time.monotonic()
    while True:
        text = console.text(log)
        passed = time.monotonic() - started
        arrived = any(sign in text for sign in _ARRIVED)
        if arrived or process.poll() is not None or passed > (deadline if text else first_output):
            return passed, console.text(log)
        time.sleep(0.02)

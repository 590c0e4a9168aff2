# SPDX-License-Identifier: GPL-2.0-only
"""A bare boot: the kernel under test on the machine of a topology, to an init that is one small program."""

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tools.bench import native
from tools.errors import UserError
from tools.guest import accel, console, qemu
from tools.guest.boot import kill
from tools.guest.cpio import Archive
from tools.guest.topology import Topology

#: What init.c prints.
ARRIVED = "bench: init runs"
#: Seconds until it has, on an idle machine many times what it takes.
DEADLINE = 120.0


@dataclass(frozen=True)
class Bare:
    """Machine, kernel and initramfs for such boots."""

    place: Topology
    kernel: Path
    initrd: Path

    def boot(self) -> float:
        """Seconds from the start of QEMU until its init runs. Raises UserError when it does not get there."""
        chosen = accel.resolve(self.place, self.kernel)
        argv = qemu.command(self.place, chosen.name, self.kernel.absolute(), self.initrd)
        with tempfile.TemporaryDirectory(prefix="pnode-bare-") as folder:
            log = Path(folder, qemu.CONSOLE)
            began = time.monotonic()
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                return self._wait(process, log, began)
            finally:
                kill(process)

    @staticmethod
    def _wait(process: "subprocess.Popen[bytes]", log: Path, began: float) -> float:
        while True:
            ended = process.poll() is not None
            text, passed = console.text(log), time.monotonic() - began
            if ARRIVED in text:
                return passed
            if ended or passed > DEADLINE:
                raise UserError(f"bench: bare boot: no init after {passed:.0f} s: {console.last_line(text)}")
            time.sleep(0.02)


def prepare(place: Topology, kernel: Path, folder: Path) -> Bare:
    """Make the initramfs in `folder`. Raises UserError without a compiler."""
    program = native.static("init", [native.HERE / "init.c"], folder)
    archive = Archive()
    archive.char_device("/dev/console", 5, 1)
    archive.file("/init", program.read_bytes(), executable=True)
    initrd = folder / "bare.cpio"
    with initrd.open("wb") as stream:
        archive.write(stream)
    return Bare(place, kernel, initrd)

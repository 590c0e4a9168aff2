# SPDX-License-Identifier: GPL-2.0-only
"""Guests that need not boot: the state of one that waits for its worker's host, kept in a file.

A boot under TCG takes seconds, most of them for the interpreter; QEMU writes a stopped guest to a file
(migration with mapped-ram: each page has its place, pages never used are holes) and takes another from it in
a tenth of that. So the first guest of a pool boots, is written, and all others, those that replace a dead
one, and those of later runs of the same kernel, suite, topology and QEMU begin where it was.

What a guest knew that is different for each is set again when it gets its host: time, entropy, pace.

Not for a topology with a CXL tree: QEMU's CXL devices do not migrate, they would come back reset. Nor under
KVM, where a boot takes about a second and a file is bound to the model of the CPU.

    CACHE/warm/<key>/memory  console.log
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from tools.guest import qemu
from tools.guest.slot import Boot
from tools.guest.topology import Topology
from tools.paths import cache_dir

# Images kept, the latest used; each has what the guest had touched, about 200 MB.
KEEP = 6
MEMORY = "memory"
# A guest is written in one.
_WRITING_SECONDS = 600.0
_OWN_CODE = (Path(__file__), Path(__file__).with_name("waking.py"))


def possible(topology: Topology, accel: str) -> bool:
    """Whether guests of this kind can be kept."""
    return accel == "tcg" and topology.tree is None


def key(argv: Sequence[str], kernel: Path) -> str:
    """What a state belongs to: QEMU's own bytes and command line (which names the initramfs by its content),
    the kernel's bytes, and how it is kept."""
    program = Path(shutil.which(argv[0]) or argv[0]).resolve()
    about = program.stat()
    found = hashlib.sha256(repr((list(argv), str(program), about.st_size, about.st_mtime_ns)).encode())
    for path in (kernel, *_OWN_CODE):
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:20]


def folder(name: str) -> Path:
    """Where the state with a key is or would be. Raises OSError for a cache that cannot be made."""
    return cache_dir("warm") / name


def usable(place: str | None) -> bool:
    """Whether there is a whole state."""
    return place is not None and Path(place, MEMORY).is_file() and Path(place, qemu.CONSOLE).is_file()


def arguments(place: str) -> list[str]:
    """What QEMU is told in addition, to begin from a state."""
    return ["-global", "migration.mapped-ram=on", "-incoming", f"file:{Path(place, MEMORY)}"]


def lay_out(place: str, boot: Boot) -> None:
    """Give a guest the console that it had until then. Raises OSError."""
    shutil.copyfile(Path(place, qemu.CONSOLE), boot.console)
    with contextlib.suppress(OSError):  # somebody else's, or read-only: no matter
        os.utime(place)


def discard(place: str) -> None:
    """Remove a state from which a guest did not come up."""
    shutil.rmtree(place, ignore_errors=True)


def prune(parent: Path) -> None:
    def used(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:
            return 0.0

    found = list(parent.iterdir())
    states = sorted((path for path in found if not path.name.startswith(".")), key=used)
    # What a runner that was killed had begun to write.
    begun = [
        path for path in found if path.name.startswith(".") and time.time() - used(path) > _WRITING_SECONDS
    ]
    for path in states[:-KEEP] + begun:
        shutil.rmtree(path, ignore_errors=True)

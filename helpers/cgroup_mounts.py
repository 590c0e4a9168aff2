# SPDX-License-Identifier: GPL-2.0-only
"""Where control groups are mounted, version 1 and 2."""

from dataclasses import dataclass
from pathlib import Path

from helpers import paths
from helpers import syscalls as sc


@dataclass(frozen=True)
class Mount:
    """A cgroup mount."""

    path: Path
    version: int
    controllers: frozenset[str]  # version 1 only: what is attached to the hierarchy


def mounts() -> list[Mount]:
    """cgroup mounts of this mount namespace, from /proc/self/mountinfo."""
    found = []
    for line in paths.read_text(paths.PROC / "self/mountinfo").splitlines():
        if " - cgroup" not in line:
            continue
        left, _, right = line.partition(" - ")
        fstype, _source, options = [*right.split(" "), "", ""][:3]
        path = Path(left.split(" ")[4].replace("\\040", " "))
        if fstype == "cgroup2":
            found.append(Mount(path, 2, frozenset()))
        elif fstype == "cgroup":
            found.append(Mount(path, 1, frozenset(options.split(","))))
    return found


def find_v2() -> Path | None:
    """Where version 2 is mounted, or None."""
    return next((mount.path for mount in mounts() if mount.version == 2), None)


def mount_v2(path: Path) -> Path:
    """Mounts version 2 there (the directory is made) unless it is mounted already; returns the place."""
    there = find_v2()
    if there is not None:
        return there
    path.mkdir(parents=True, exist_ok=True)
    sc.mount("cgroup2", path, "cgroup2")
    return path

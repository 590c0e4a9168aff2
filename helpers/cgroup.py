# SPDX-License-Identifier: GPL-2.0-only
"""Control groups: a group with memory and cpuset, by the files of version 2 (version 1: cgroup_v1.py).

Sources: Documentation/admin-guide/cgroup-v2.rst, Documentation/admin-guide/cgroup-v1/cpusets.rst.
Byte limits are ints or "max".
"""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from helpers import paths
from helpers.cgroup_mounts import Mount as Mount
from helpers.cgroup_mounts import find_v2 as find_v2
from helpers.cgroup_mounts import mount_v2 as mount_v2
from helpers.cgroup_mounts import mounts as mounts
from helpers.nodemask import NodeMask
from helpers.wait import wait_until

REMOVE_TIMEOUT = 30.0  # seconds; a killed process may be in the middle of giving back memory
Limit = int | str


def _pairs(text: str) -> dict[str, int]:
    return {key: int(value) for key, value in (line.split() for line in text.splitlines())}


def parse_numa_stat(text: str) -> dict[str, dict[int, int]]:
    """memory.numa_stat: {"anon": {0: bytes, 1: bytes}, ...}."""
    table: dict[str, dict[int, int]] = {}
    for line in text.splitlines():
        name, *cells = line.split()
        split = (cell[1:].split("=") for cell in cells if cell.startswith("N"))
        table[name] = {int(node): int(value) for node, value in split}
    return table


class Cgroup:
    """One group by its directory. Files are read and written by their kernel names.

    Cgroup.root() is the version 2 root. `with parent.create("x") as group` kills and removes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def root(cls) -> "Cgroup":
        """FileNotFoundError when version 2 is not mounted."""
        path = find_v2()
        if path is None:
            raise FileNotFoundError(errno.ENOENT, "no cgroup2 file system is mounted; see mount_v2()")
        return cls(path)

    @classmethod
    def of_task(cls, pid: int | None = None) -> "Cgroup":
        """The version 2 group of a process."""
        text = paths.read_text(paths.PROC / ("self" if pid is None else str(pid)) / "cgroup")
        for line in text.splitlines():
            if line.startswith("0::"):
                return cls(cls.root().path / line[3:].lstrip("/"))
        raise FileNotFoundError(errno.ENOENT, "the process is in no version 2 group")

    # --- files and children --------------------------------------------------------------

    def read(self, name: str) -> str:
        return paths.read_text(self.path / name)

    def write(self, name: str, value: object) -> None:
        """OSError with the kernel's errno, naming file and value."""
        paths.write_text(self.path / name, value)

    def exists(self) -> bool:
        return self.path.is_dir()

    @property
    def controllers(self) -> set[str]:
        """What may be enabled for the children."""
        return set(self.read("cgroup.controllers").split())

    def enable(self, *controllers: str) -> None:
        """Enables controllers for the children of this group; those that are on already cost nothing.

        EBUSY when the group holds processes itself (never for the root), ENOENT when the parent did
        not enable them here.
        """
        missing = set(controllers) - set(self.read("cgroup.subtree_control").split())
        if missing:
            self.write("cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(missing)))

    def create(self, name: str, *controllers: str) -> "Cgroup":
        """A child with these controllers, enabled here first. EEXIST when it is there already."""
        if controllers:
            self.enable(*controllers)
        path = self.path / name
        path.mkdir()
        return Cgroup(path)

    def children(self) -> "list[Cgroup]":
        return [Cgroup(path) for path in sorted(self.path.iterdir()) if path.is_dir()]

    # --- processes -----------------------------------------------------------------------

    def attach(self, pid: int = 0) -> None:
        """Moves a process into the group; 0 is the caller."""
        self.write("cgroup.procs", pid)

    def procs(self) -> list[int]:
        return [int(pid) for pid in self.read("cgroup.procs").split()]

    def populated(self) -> bool:
        """Has the group or a descendant a live process."""
        return self.events("cgroup")["populated"] == 1

    def kill(self) -> None:
        """SIGKILL for every process in the group and below it; does not wait."""
        try:
            self.write("cgroup.kill", 1)
        except FileNotFoundError:  # before Linux 5.14, and in the root
            for pid in self.procs():
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)

    def remove(self, timeout: float = REMOVE_TIMEOUT) -> None:
        """Kills what is in it, removes its children and itself. TimeoutError names who is left.

        A process that is a child of the caller must be waited for by the caller; zombies do not
        keep a group.
        """
        if not self.exists():
            return
        for child in self.children():
            child.remove(timeout)
        self.kill()

        def gone() -> bool:
            try:
                self.path.rmdir()
            except FileNotFoundError:
                return True
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                return False
            return True

        wait_until(gone, timeout, lambda: f"removal of {self.path}, processes left: {self.procs()}")

    # --- memory --------------------------------------------------------------------------

    @property
    def memory_current(self) -> int:
        """Bytes charged to the group."""
        return int(self.read("memory.current"))

    def set_memory(
        self, *, max: Limit | None = None, high: Limit | None = None, swap_max: Limit | None = None
    ) -> None:
        """Sets the limits that are given."""
        given = {"memory.max": max, "memory.high": high, "memory.swap.max": swap_max}
        for name, value in given.items():
            if value is not None:
                self.write(name, value)

    def reclaim(self, nbytes: int, swappiness: int | None = None) -> None:
        """memory.reclaim; EAGAIN when fewer bytes could be reclaimed."""
        self.write("memory.reclaim", nbytes if swappiness is None else f"{nbytes} swappiness={swappiness}")

    def memory_stat(self) -> dict[str, int]:
        return _pairs(self.read("memory.stat"))

    def events(self, controller: str = "memory") -> dict[str, int]:
        """<controller>.events: for memory low, high, max, oom, oom_kill, ..."""
        return _pairs(self.read(f"{controller}.events"))

    def numa_stat(self) -> dict[str, dict[int, int]]:
        """memory.numa_stat: bytes by kind and node."""
        return parse_numa_stat(self.read("memory.numa_stat"))

    # --- cpuset --------------------------------------------------------------------------

    def set_mems(self, nodes: NodeMask | Iterable[int] | str) -> None:
        """cpuset.mems; a string is written as it is, for rubbish."""
        text = nodes if isinstance(nodes, str) else str(NodeMask(nodes))
        # An empty write(2) never reaches the kernel's parser; a newline does and clears the mask.
        self.write("cpuset.mems", text or "\n")

    def mems(self) -> NodeMask:
        """The nodes asked for."""
        return NodeMask.parse(self.read("cpuset.mems"))

    def mems_effective(self) -> NodeMask:
        """The nodes in force."""
        return NodeMask.parse(self.read(_effective(self.path, "mems")))

    def set_cpus(self, cpus: Iterable[int] | str) -> None:
        self.write("cpuset.cpus", cpus if isinstance(cpus, str) else str(NodeMask(cpus)))

    def cpus_effective(self) -> NodeMask:
        return NodeMask.parse(self.read(_effective(self.path, "cpus")))

    def __enter__(self) -> "Cgroup":
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"Cgroup({str(self.path)!r})"


def _effective(path: Path, what: str) -> str:
    """Version 2 and version 1 spell it differently."""
    new = f"cpuset.{what}.effective"
    return new if (path / new).exists() else f"cpuset.effective_{what}"


def mems_allowed(pid: int | None = None) -> NodeMask:
    """Mems_allowed_list of a task: what its cpuset gives it now."""
    status = paths.PROC / ("self" if pid is None else str(pid)) / "status"
    for line in paths.read_text(status).splitlines():
        if line.startswith("Mems_allowed_list:"):
            return NodeMask.parse(line.split(":", 1)[1])
    raise LookupError(f"{status} has no Mems_allowed_list")

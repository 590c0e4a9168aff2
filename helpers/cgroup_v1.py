# SPDX-License-Identifier: GPL-2.0-only
"""A version 1 cpuset hierarchy, beside version 2 or in its place.

Source: Documentation/admin-guide/cgroup-v1/cpusets.rst.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers import paths
from helpers import syscalls as sc
from helpers.cgroup import Cgroup
from helpers.cgroup_mounts import find_v2, mounts
from helpers.wait import wait_until

MOVE_TIMEOUT = 15.0  # seconds for a controller to change hierarchies


@contextmanager
def cpuset_v1(path: Path) -> Iterator[Cgroup]:
    """A version 1 cpuset hierarchy at `path`; its root group.

    Taken from where it is mounted already, else mounted and unmounted again. A controller is in one
    hierarchy only, so it is taken from the version 2 root's children for that long: EBUSY when a group
    further down has it. A child needs cpuset.cpus and cpuset.mems set before a task can be attached.
    """
    for mount in mounts():
        if mount.version == 1 and "cpuset" in mount.controllers:
            yield Cgroup(mount.path)
            return
    path.mkdir(parents=True, exist_ok=True)
    new_root = find_v2()
    in_use = new_root is not None and "cpuset" in Cgroup(new_root).read("cgroup.subtree_control").split()
    if new_root is not None and in_use:
        Cgroup(new_root).write("cgroup.subtree_control", "-cpuset")
    try:
        wait_until(lambda: _mount_cpuset(path), MOVE_TIMEOUT, "cpuset to be free for a version 1 mount")
        try:
            yield Cgroup(path)
        finally:
            # A hierarchy that is unmounted while a removed group lingers stays, and the controller with it.
            wait_until(
                lambda: cgroups_of("cpuset") == 1, MOVE_TIMEOUT, "removed version 1 cpusets to be gone"
            )
            sc.umount(path)
    finally:
        if new_root is not None and in_use:
            root = Cgroup(new_root)
            wait_until(lambda: "cpuset" in root.controllers, MOVE_TIMEOUT, "cpuset back in version 2")
            root.enable("cpuset")


def cgroups_of(controller: str) -> int:
    """Groups of the controller's hierarchy, its root and removed ones that are still in use included."""
    for line in paths.read_text(paths.PROC / "cgroups").splitlines():
        name, _hierarchy, groups, _enabled = line.split()
        if name == controller:
            return int(groups)
    raise LookupError(f"/proc/cgroups has no {controller}")


def _mount_cpuset(path: Path) -> bool:
    """False while states of removed version 2 groups linger: they go after an RCU grace period."""
    try:
        sc.mount("cgroup", path, "cgroup", 0, "cpuset")
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True

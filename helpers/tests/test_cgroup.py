# SPDX-License-Identifier: GPL-2.0-only
import os
import subprocess
import sys

import pytest

from helpers import cgroup
from helpers.cgroup import Cgroup
from helpers.nodemask import NodeMask

MOUNTINFO = """\
22 1 0:21 / /proc rw - proc proc rw
30 29 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate
31 29 0:27 / /old\\040one rw - cgroup cgroup rw,cpuset,noprefix"""


@pytest.fixture
def group(machine):
    return Cgroup(machine.directory("cg"))


def test_mounts(machine):
    machine.file("proc/self/mountinfo", MOUNTINFO)
    two, one = cgroup.mounts()
    assert (str(two.path), two.version) == ("/sys/fs/cgroup", 2)
    assert (str(one.path), one.version) == ("/old one", 1)
    assert one.controllers >= {"cpuset"}
    assert str(cgroup.find_v2()) == "/sys/fs/cgroup"


def test_no_version_two(machine):
    machine.file("proc/self/mountinfo", "22 1 0:21 / /proc rw - proc proc rw")
    with pytest.raises(FileNotFoundError, match="no cgroup2"):
        Cgroup.root()


def test_group_of_a_task(machine):
    machine.file("proc/self/mountinfo", MOUNTINFO)
    machine.file("proc/7/cgroup", "1:cpuset:/\n0::/a/b")
    assert str(Cgroup.of_task(7).path) == "/sys/fs/cgroup/a/b"


def test_numa_stat():
    text = "anon N0=4096 N1=8192\nfile N0=0 N1=0"
    assert cgroup.parse_numa_stat(text) == {"anon": {0: 4096, 1: 8192}, "file": {0: 0, 1: 0}}


def test_files(machine, group):
    machine.file("cg/memory.events", "low 0\noom_kill 2")
    machine.file("cg/memory.current", "4096")
    machine.file("cg/cpuset.mems", "")
    machine.file("cg/cpuset.mems.effective", "0,2-3")
    machine.file("cg/memory.max", "max    ")
    assert group.events()["oom_kill"] == 2
    assert group.memory_current == 4096
    assert group.mems() == NodeMask()
    assert group.mems_effective() == NodeMask.of(0, 2, 3)
    group.set_mems([1, 3])
    assert group.mems() == NodeMask.of(1, 3)
    group.set_memory(max=1 << 20)
    assert group.read("memory.max").startswith("1048576")
    with pytest.raises(FileNotFoundError, match=r"writing '5'.*cpuset\.cpus"):
        group.set_cpus("5")


def test_version_one_names(machine, group):
    machine.file("cg/cpuset.effective_mems", "0-1")
    assert group.mems_effective() == NodeMask.of(0, 1)


def test_only_missing_controllers_are_enabled(machine, group):
    control = machine.file("cg/cgroup.subtree_control", "memory")
    group.enable("memory")
    assert control.read_text() == "memory\n"
    group.enable("memory", "cpuset")
    assert control.read_text().startswith("+cpuset")


def test_remove_names_who_is_left(machine, group, monkeypatch):
    machine.file("cg/cgroup.procs", "77")
    machine.file("cg/cgroup.kill", "")

    def busy(self):
        raise OSError(16, "busy")

    monkeypatch.setattr(type(group.path), "rmdir", busy)
    with pytest.raises(TimeoutError, match=r"processes left: \[77\]"):
        group.remove(timeout=0.01)
    assert (machine.root / "cg/cgroup.kill").read_text() == "1"


def test_mems_allowed(machine):
    machine.file("proc/5/status", "Name:\ta\nMems_allowed:\t3\nMems_allowed_list:\t0-1")
    assert cgroup.mems_allowed(5) == NodeMask.of(0, 1)
    machine.file("proc/6/status", "Name:\ta")
    with pytest.raises(LookupError, match="no Mems_allowed_list"):
        cgroup.mems_allowed(6)


def test_a_real_group():
    """Create, attach, kill and remove where this user may."""
    try:
        parent = Cgroup.root()
        group = parent.create(f"pnode-unit-{os.getpid()}")
    except OSError as error:
        pytest.skip(f"no version 2 group can be made here: {error}")
    with group:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        group.attach(child.pid)
        assert group.procs() == [child.pid]
        assert Cgroup.of_task(child.pid).path == group.path
        assert group.populated()
        group.kill()
        assert child.wait(10) == -9
        group.create("inner")
    assert not group.exists()
    group.remove()

# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the chapter: nodes by letter, P and Q open for policies; version 1 cpusets."""

import errno
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from helpers.cgroup import Cgroup
from helpers.cgroup_mounts import find_v2
from helpers.cgroup_v1 import cpuset_v1
from selftests.cpuset.home import all_come_home as all_come_home
from selftests.mempolicy.conftest import nodes as nodes
from selftests.mempolicy.conftest import p as p
from selftests.mempolicy.conftest import pytest_runtest_setup as pytest_runtest_setup
from selftests.mempolicy.conftest import q as q


def confined() -> list[Cgroup]:
    """Groups right below the root of version 2 that somebody has given CPUs or nodes of their own, which they
    lose with the controller."""
    root = find_v2()
    groups = Cgroup(root).children() if root else []
    groups = [one for one in groups if (one.path / "cpuset.mems").exists()]
    return [one for one in groups if one.read("cpuset.cpus").strip() or one.read("cpuset.mems").strip()]


@pytest.fixture
def v1_root(tmp_path: Path) -> Iterator[Cgroup]:
    """The root of a version 1 cpuset hierarchy. A kernel that has none (EINVAL, ENODEV), or whose controller
    is in use by version 2 (EBUSY, or by what would be lost), does not offer it; any other error is a
    failure."""
    if confined():
        pytest.skip("cpusets of the machine's own are in use")
    with ExitStack() as hierarchy:
        try:
            root = hierarchy.enter_context(cpuset_v1(tmp_path / "v1"))
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENODEV, errno.EBUSY):
                raise
            pytest.skip("needs version 1 cpusets")
        yield root


def ids(nodes: dict[str, int], letters: str) -> list[int]:
    return [nodes[letter] for letter in letters]


def ordinary(nodes: dict[str, int], letters: str) -> set[int]:
    """The ordinary ones among them."""
    return {nodes[letter] for letter in letters if letter in "DE"}

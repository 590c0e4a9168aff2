# SPDX-License-Identifier: GPL-2.0-only
"""CPS-05: memory spreading of version 1 cpusets."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers import syscalls
from helpers.cgroup import Cgroup
from helpers.constants import MADV_POPULATE_READ
from helpers.memory import PAGE_SIZE, Mapping
from helpers.residency import Residency, residency
from helpers.testmod import Entry, TestModule
from selftests.cpuset.conftest import ids, ordinary

PAGES = 256


@pytest.fixture
def v1(v1_root: Cgroup) -> Iterator[Cgroup]:
    """A group of version 1 with all CPUs and no nodes yet."""
    with v1_root.create(f"pnode-{os.getpid()}") as group:
        prefix = "cpuset." if (group.path / "cpuset.cpus").exists() else ""
        group.write(f"{prefix}cpus", v1_root.read(f"{prefix}cpus"))
        yield group


def written() -> Residency:
    """Page cache that the calling task makes: a file of a ramfs, written in one go."""
    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory())
        syscalls.mount("pnode", place, "ramfs")
        stack.callback(syscalls.umount, place)
        with open(Path(place) / "file", "w+b", buffering=0) as file:
            file.write(bytes(PAGES * PAGE_SIZE))
            with Mapping.of_fd(file.fileno(), PAGES, shared=True) as memory:
                memory.advise(MADV_POPULATE_READ)
                return residency(memory)


def slabs(mod: TestModule) -> Counter[int]:
    with mod.alloc(Entry.KMALLOC_NODE, -1, gfp=mod.gfp.KERNEL | mod.gfp.HARDWALL, count=64, size=4096) as got:
        return Counter(got.on_node)


@requirement("CPS-05")
@pytest.mark.parametrize("mems", ["DP", "EP", "DEP", "DEPQ"])
def test_page_cache_spreads_over_ordinary_nodes(
    v1: Cgroup, nodes: dict[str, int], child: ChildFactory, mems: str
) -> None:
    v1.set_mems(ids(nodes, mems))
    v1.write("cpuset.memory_spread_page", 1)
    expected = ordinary(nodes, mems)
    where = child(written, cgroup=v1)
    assert set(where.counts) == expected, f"spread over {mems} of {nodes}: {where}"
    least = PAGES // len(expected) * 3 // 4
    assert all(count >= least for count in where.counts.values()), f"not spread: {where}"


@requirement("CPS-05")
@pytest.mark.parametrize("mems", ["DP", "DEPQ"])
def test_slab_spreads_over_ordinary_nodes(
    v1: Cgroup, nodes: dict[str, int], mod: TestModule, child: ChildFactory, mems: str
) -> None:
    """Kernels without slab spreading have the file all the same; then objects are on D."""
    v1.set_mems(ids(nodes, mems))
    v1.write("cpuset.memory_spread_slab", 1)
    found = child(slabs, mod, cgroup=v1)
    assert found, "nothing was allocated"
    assert set(found) <= ordinary(nodes, mems), f"slab spread over {mems} of {nodes}: {found}"


@requirement("CPS-05")
@pytest.mark.local
@pytest.mark.parametrize("mems", ["DP", "DEPQ"])
def test_without_spreading_the_local_node(
    v1: Cgroup, nodes: dict[str, int], child: ChildFactory, mems: str
) -> None:
    """The control to the above: what is spread there is on D otherwise."""
    v1.set_mems(ids(nodes, mems))
    where = child(written, cgroup=v1)
    assert where.all_on(nodes["D"]), f"{where}"

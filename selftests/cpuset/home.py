# SPDX-License-Identifier: GPL-2.0-only
"""What tasks in cpusets leave on private nodes without wanting to."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fixtures import lean
from fixtures.nodes import BENCH, stable_free_pages
from helpers import syscalls
from helpers.constants import MADV_POPULATE_READ
from helpers.nodes import Node
from helpers.testmod import Ops


def bring_home(source: int, target: int) -> None:
    """Move what a child shared: with those that fork it, and the files that it mapped, of which this process
    maps all."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, *_, name = line.split()
        if name.startswith("/"):
            start, end = (int(bound, 16) for bound in span.split("-"))
            with suppress(OSError):  # not readable
                syscalls.madvise(start, end - start, MADV_POPULATE_READ)
    for pid in (0, lean.mother()):
        if pid is not None:
            syscalls.migrate_pages(pid, [source], [target])


@pytest.fixture(autouse=True)
def all_come_home(request: pytest.FixtureRequest, ordinary_nodes: list[Node]) -> Iterator[None]:
    """A kernel may move what a task maps by its place among the nodes (CPS-06a), also when the task joins its
    first cpuset. What it shares goes along and outlives it: back with that, so that P is empty after the
    test."""
    yield
    stock = request.config.stash.get(BENCH, None)
    joined = {"cpuset", "v1_root"} & set(request.fixturenames)
    for node in stock.plugged() if stock and joined else ():
        if (node.flags or 0) & Ops.MIGRATION and stable_free_pages(node) < node.managed_pages():
            bring_home(node.nid, ordinary_nodes[0].nid)

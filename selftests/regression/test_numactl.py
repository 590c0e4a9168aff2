# SPDX-License-Identifier: GPL-2.0-only
"""REG-08: numactl(8) with private nodes of either kind present."""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import pytest

from fixtures.nodes import PrivateNode, unchanged_free_pages
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import MADV_POPULATE_WRITE, Mode
from helpers.memory import PAGE_SIZE, Mapping, smaps
from helpers.nodemask import NodeMask
from helpers.nodes import Node, node_list
from helpers.residency import Residency, is_zero_page, residency, residency_of
from selftests.mempolicy.placing import PAGES
from selftests.regression import numactl

MANY = 600
WITH_MASK = [name for name, mode in numactl.OPTIONS.items() if mode is not Mode.LOCAL]
#: Touches some memory of its own, says so, and waits for the end of its input.
PROGRAM = "import sys; b = b'x' * (1 << 20); print(len(b), flush=True); sys.stdin.read()"


def under(option: str, nodes: NodeMask, pages: int = PAGES) -> Residency:
    """For a child: where memory is that a program started under the option touches."""
    numactl.apply(option, nodes)
    with Mapping.anonymous(pages) as memory:
        memory.advise(MADV_POPULATE_WRITE)
        memory.touch()
        memory.verify()
        return residency(memory)


@requirement("REG-08")
@core
def test_all_is_what_may_be_named(
    p: PrivateNode, q: PrivateNode, ordinary_nodes: list[Node], child: ChildFactory
) -> None:
    nodes = child(numactl.every_node)
    assert set(nodes) == {p.nid, *(node.nid for node in ordinary_nodes)}, f"open {p}, closed {q}"


@requirement("REG-08")
@core
@pytest.mark.parametrize("option", WITH_MASK)
def test_all_nodes(p: PrivateNode, q: PrivateNode, child: ChildFactory, option: str) -> None:
    nodes = child(numactl.every_node)
    with unchanged_free_pages(q):
        where = child(under, option, nodes)
    assert where.absent == 0, f"{option}=all: {where}"
    assert set(where.counts) <= set(nodes), f"{option}=all is {nodes}: {where}"


@requirement("REG-08")
@core
@pytest.mark.parametrize("option", ["--interleave", "--weighted-interleave"])
def test_interleave_all_reaches_every_node(
    p: PrivateNode, q: PrivateNode, child: ChildFactory, option: str
) -> None:
    nodes = child(numactl.every_node)
    where = child(under, option, nodes, MANY)
    assert set(where.counts) == set(nodes), f"{option}=all is {nodes}, {q} closed: {where}"


@requirement("REG-08")
@core
@pytest.mark.parametrize("option", WITH_MASK)
@pytest.mark.parametrize("letter", ["D", "E"])
def test_one_ordinary_node(ordinary: dict[str, int], child: ChildFactory, option: str, letter: str) -> None:
    where = child(under, option, NodeMask.of(ordinary[letter]))
    assert where.all_on(ordinary[letter]), f"{option}={ordinary[letter]}: {where}"


@requirement("REG-08")
@core
def test_localalloc(ordinary: dict[str, int], child: ChildFactory) -> None:
    where = child(under, "--localalloc", NodeMask())
    assert where.all_on(ordinary["D"]), f"{where}"


@requirement("REG-08")
@core
def test_hardware(p: PrivateNode, q: PrivateNode, ordinary_nodes: list[Node]) -> None:
    found = numactl.hardware()
    nids = {p.nid, q.nid, *(node.nid for node in ordinary_nodes)}
    assert nids <= set(found), f"online are {set(found)}"
    for nid in nids:
        line = found[nid]
        assert line.size > 0, f"node {nid}: {line}"
        assert 0 <= line.free <= line.size, f"node {nid}: {line}"
        assert set(line.distances) == set(node_list("online")), f"node {nid}: {line}"
        assert line.distances[nid] == 10, f"node {nid}: {line}"
    assert not found[p.nid].cpus + found[q.nid].cpus, "private nodes have no CPUs"


@requirement("REG-08")
@core
def test_show(ordinary: dict[str, int], child: ChildFactory) -> None:
    def shown() -> dict[str, object]:
        numactl.apply("--membind", NodeMask.of(ordinary["E"]))
        return numactl.show()

    found = child(shown)
    assert (found["policy"], found["nodes"]) == ("BIND", NodeMask.of(ordinary["E"]))


@requirement("REG-08")
@core
@pytest.mark.parametrize("letter", ["D", "E"])
def test_program_that_is_executed(ordinary: dict[str, int], child: ChildFactory, letter: str) -> None:
    """--membind: all that the program has of its own is on the node."""

    def started() -> Iterator[int]:
        numactl.apply("--membind", NodeMask.of(ordinary[letter]))
        command = [sys.executable, "-I", "-S", "-c", PROGRAM]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"1048576\n"
            yield process.pid
            process.communicate()

    worker = child.start(started)
    pid = worker.step()
    wrong = [(hex(addr), node) for addr, node in _own(pid) if node != ordinary[letter]]
    assert not wrong, f"--membind={ordinary[letter]}, (address, node) of pages of its own: {wrong}"
    assert sum(1 for _page in _own(pid)) >= (1 << 20) // PAGE_SIZE
    worker.finish()


def _own(pid: int) -> Iterator[tuple[int, int]]:
    """Address and node of the pages in ranges that have anonymous memory only, but for the zero page."""
    for start, end, fields in smaps(pid):
        if fields.get("Anonymous") and fields["Anonymous"] == fields.get("Rss"):
            found = residency_of(start, (end - start) // PAGE_SIZE, pid)
            for index, (node, pfn) in enumerate(zip(found.nodes, found.frames, strict=True)):
                if node is not None and pfn is not None and not _is_zero(pfn):
                    yield start + index * PAGE_SIZE, node


@cache
def _is_zero(pfn: int) -> bool:
    return is_zero_page(pfn)

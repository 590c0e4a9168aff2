# SPDX-License-Identifier: GPL-2.0-only
import itertools

import pytest

from tools.guest import topology
from tools.guest.errors import GuestError

GOOD = """
[t]
summary = "s"
accel = "tcg"
vcpus = 2
low_memory = "1G"
nodes = [{ id = 0, size = "1G", cpus = "0-1" }, { id = 2, size = "512M" }]
private = [{ id = 1, size = "256M", from = "dram" }, { id = 3, size = "256M", from = "dram" }]
distances = [[0, 1, 16], [0, 2, 21], [0, 3, 13], [1, 2, 12], [1, 3, 11], [2, 3, 19]]
provides = []
boot = []
"""
# Penalties that the kernel adds when it sorts nodes (find_next_best_node): lower id, and CPUs.
KERNEL_PENALTY = 2


#: Those whose every private node is tested by all chapters.
WHOLE = ("fast", "cxl")


@pytest.mark.parametrize("name", topology.names())
def test_every_topology_loads(name: str) -> None:
    assert topology.load(name).private


@pytest.mark.parametrize("name", WHOLE)
def test_ordinary_and_private_ids_alternate(name: str) -> None:
    found = topology.load(name)
    assert [node.id for node in found.nodes] == [0, 2]
    assert [memory.id for memory in found.private] == [1, 3]


@pytest.mark.parametrize("name", WHOLE)
def test_nearest_first_is_not_the_order_of_ids(name: str) -> None:
    found = topology.load(name)
    matrix = {frozenset((a, b)): distance for a, b, distance in found.distances}
    assert len(set(matrix.values())) == len(matrix), "all distances differ"
    ordinary = [node.id for node in found.nodes]
    orders = set()
    for memory in found.private:
        if memory.source == "dram":
            seen = sorted(ordinary, key=lambda node: matrix[frozenset((memory.id, node))])
            far, near = (matrix[frozenset((memory.id, node))] for node in reversed(seen))
            assert far - near > KERNEL_PENALTY
            orders.add(tuple(seen))
    assert (2, 0) in orders


def test_fast_has_a_private_node_with_each_order_and_private_nodes_nearer_than_ordinary_ones() -> None:
    found = topology.load("fast")
    matrix = {frozenset((a, b)): distance for a, b, distance in found.distances}
    assert matrix[frozenset((3, 0))] < matrix[frozenset((3, 2))]
    for ordinary, private in itertools.product((0, 2), (1, 3)):
        assert matrix[frozenset((ordinary, private))] < matrix[frozenset((0, 2))]


@pytest.mark.parametrize("name", topology.names())
def test_more_memory_moves_nothing_else(name: str) -> None:
    found = topology.load(name)
    more = found.with_more_memory(512 << 20)
    assert topology._problem(more) is None
    assert more.private == found.private
    assert more.nodes[1:] == found.nodes[1:]
    assert more.memory - found.memory == more.low_memory - found.low_memory == 512 << 20
    assert found.with_more_memory(0) == found


def test_addresses_follow_the_ids_above_4_gib() -> None:
    found = topology.parse("t", GOOD)
    assert [memory.start for memory in found.private] == [0x1_0000_0000, 0x1_0000_0000 + (768 << 20)]
    assert found.ram == 2048 << 20
    assert found.memory == found.ram


def test_cxl_memory_is_not_ram_and_has_no_address() -> None:
    found = topology.load("cxl")
    assert found.tree is not None
    (memory,) = found.cxl
    assert (memory.id, memory.start) == (3, None)
    assert found.ram + found.tree.memory == found.memory
    assert found.accel == "tcg"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('accel = "tcg"', 'accel = "hvf"', "not probe, tcg or kvm"),
        ("id = 3", "id = 4", "without gaps"),
        (
            '{ id = 2, size = "512M" }',
            '{ id = 2, size = "512M", cpus = "1" }',
            "have CPUs; Linux numbers those first",
        ),
        ('low_memory = "1G"', 'low_memory = "2G"', "exactly low_memory"),
        ('{ id = 1, size = "256M"', '{ id = 1, size = "128M"', "2 or more whole memory blocks"),
        ('{ id = 1, size = "256M"', '{ id = 1, size = "320M"', "whole memory blocks"),
        ('{ id = 2, size = "512M" }', '{ id = 2, size = "500M" }', "does not start at a memory block"),
        ('"256M", from = "dram" }]', '"256M", from = "hbm" }]', "not dram or cxl"),
        ('"256M", from = "dram" }]', '"256M", from = "cxl" }]', "no tree it could be in"),
        ("[2, 3, 19]", "[2, 3, 9]", "11 to 254"),
        (", [2, 3, 19]", "", "each pair"),
        ('size = "1G"', 'size = "1T"', "no size like 512M"),
        ("vcpus = 2", "", "vcpus is missing"),
        ("vcpus = 2", "vcpus = 2\nonline = 3", "online is 3, of 2 vcpus"),
        ("vcpus = 2", "vcpus = 2\nonline = 0", "online is 0"),
        ("[t]", "[u]", "'t'"),
        ("[t]", "[t", "topology t:"),
    ],
)
def test_a_file_that_contradicts_itself_is_named(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(GuestError, match=message.replace("(", r"\(")) as caught:
        topology.parse("t", GOOD.replace(old, new))
    assert "\n" not in str(caught.value).split("topology t:")[0]


@pytest.mark.parametrize("name", ["none", "../fast", "", "fast.toml"])
def test_an_unknown_name_lists_those_there_are(name: str) -> None:
    with pytest.raises(GuestError, match=r"there are: cxl, cxl-.*, fast"):
        topology.load(name)

# SPDX-License-Identifier: GPL-2.0-only
import pytest

from helpers import dialect, nodes
from helpers.nodemask import NodeMask
from helpers.nodes import MemoryBlock, Node, Watermarks

# As Linux 6.12 prints it: node 0 with statistics and two CPUs, an empty zone, node 1 movable.
ZONEINFO = """\
Node 0, zone   Normal
  per-node stats
      nr_inactive_anon 2037
      nr_free_cma  0
  pages free     1000
        boost    7
        min      10
        low      20
        high     30
        promo    40
        spanned  65536
        present  60000
        managed  59000
        cma      0
        protection: (0, 0, 0)
      nr_free_pages 1000
      numa_hit     5
  pagesets
    cpu: 0
              count: 11
              high:  100
              batch: 63
  vm stats threshold: 12
    cpu: 1
              count: 22
              high:  100
              batch: 63
  vm stats threshold: 12
  node_unreclaimable:  0
  start_pfn:           1048576
Node 0, zone  Movable
  pages free     0
        boost    0
        min      32
        low      32
        high     32
        promo    32
        spanned  0
        present  0
        managed  0
        cma      0
        protection: (0, 0, 0)
Node 1, zone  Movable
  pages free     32000
        min      1
        low      2
        high     3
        spanned  32768
        present  32768
        managed  32768
        cma      0
        protection: (0, 0, 0)
      nr_free_pages 32000
  pagesets
    cpu: 0
              count: 700
    cpu: 1
              count: 68
  node_unreclaimable:  0
  start_pfn:           1114112
"""

MEMINFO = """
Node 1 MemTotal:         131072 kB
Node 1 MemFree:          128000 kB
Node 1 HugePages_Total:     3"""


@pytest.fixture
def two_nodes(machine):
    node = "sys/devices/system/node"
    machine.file(f"{node}/online", "0,2")
    machine.file(f"{node}/has_memory", "0")
    machine.file(f"{node}/node2/distance", "20 10")
    machine.file(f"{node}/node2/meminfo", MEMINFO)
    machine.file(f"{node}/node2/vmstat", "nr_free_pages 5\nnr_zone_active_anon 6")
    machine.file(f"{node}/node2/numastat", "numa_hit 1\nnuma_miss 2")
    machine.file(f"{node}/node2/cpulist", "")
    machine.file(f"{node}/node0/cpulist", "0-1")
    machine.file("proc/zoneinfo", ZONEINFO)
    blocks = "sys/devices/system/memory"
    machine.file(f"{blocks}/block_size_bytes", "8000000")
    machine.file(f"{blocks}/auto_online_blocks", "offline")
    for index, nid in ((32, 0), (34, 2), (9, 0)):
        machine.file(f"{blocks}/memory{index}/state", "online")
        machine.file(f"{blocks}/memory{index}/valid_zones", "Movable Normal")
        machine.link(f"{blocks}/memory{index}/node{nid}", f"{node}/node{nid}")
    return machine


def test_lists(two_nodes):
    assert nodes.node_list("online") == NodeMask.of(0, 2)
    with pytest.raises(FileNotFoundError):
        nodes.node_list("has_fallback_memory")
    assert nodes.has_private_memory() is None
    two_nodes.file("sys/devices/system/node/has_private_memory", "")
    assert nodes.has_private_memory() == NodeMask()


def test_zoneinfo():
    normal, empty, movable = nodes.parse_zoneinfo(ZONEINFO)
    assert (normal.nid, normal.name) == (0, "Normal")
    assert (normal.free, normal.present, normal.managed, normal.spanned) == (1000, 60000, 59000, 65536)
    assert normal.watermarks == Watermarks(min=10, low=20, high=30, promo=40, boost=7)
    assert normal.pcp == {0: 11, 1: 22}
    assert normal.all_free == 1033
    assert normal.start_pfn == 1048576
    assert normal.spans(1048576)
    assert not normal.spans(1048576 + 65536)
    assert (empty.all_free, empty.pcp) == (0, {})
    assert movable.all_free == 32768


def test_zones_of_the_running_kernel():
    zones = nodes.all_zones()
    assert any(zone.free and zone.managed and zone.pcp for zone in zones)
    assert all(zone.managed <= zone.present <= zone.spanned for zone in zones)
    assert all(zone.watermarks.min <= zone.watermarks.low <= zone.watermarks.high for zone in zones)


def test_node_files(two_nodes):
    node = Node(2)
    assert node.exists()
    assert not Node(1).exists()
    assert node.meminfo() == {"MemTotal": 131072 * 1024, "MemFree": 128000 * 1024, "HugePages_Total": 3}
    assert node.vmstat()["nr_free_pages"] == 5
    assert node.numastat() == {"numa_hit": 1, "numa_miss": 2}
    assert node.distances() == {0: 20, 2: 10}
    assert node.cpus() == []
    assert Node(0).cpus() == [0, 1]
    assert str(node) == "node 2"


def test_distance_of_other_length_is_not_guessed(two_nodes):
    two_nodes.file("sys/devices/system/node/node2/distance", "20 10 30")
    with pytest.raises(ValueError, match="3 numbers for online nodes"):
        Node(2).distances()


def test_free_pages_count_the_per_cpu_lists(two_nodes):
    assert Node(1).free_pages() == 32768
    assert Node(0).free_pages() == 1033
    assert Node(7).free_pages() == 0
    assert Node(1).zone("Movable").free == 32000
    with pytest.raises(KeyError, match="no zone Normal"):
        Node(1).zone("Normal")


def test_free_pages_fold_the_counters_first(two_nodes):
    refresh = two_nodes.file("proc/sys/vm/stat_refresh", "")
    Node(1).free_pages(refresh=False)
    assert refresh.read_text() == "\n"
    Node(1).free_pages()
    assert refresh.read_text() == "1"


def test_memory_blocks(two_nodes):
    assert [block.index for block in nodes.memory_blocks()] == [9, 32, 34]
    (block,) = Node(2).memory_blocks()
    assert (block.index, block.nid, block.start, block.size) == (34, 2, 34 << 27, 1 << 27)
    assert block.state == "online"
    assert block.valid_zones == ["Movable", "Normal"]
    block.offline()
    assert block.path.joinpath("state").read_text().startswith("offline")


def test_a_block_of_two_nodes_has_no_single_node(two_nodes):
    two_nodes.link("sys/devices/system/memory/memory34/node0", "sys/devices/system/node/node0")
    with pytest.raises(LookupError, match=r"nodes \[0, 2\]"):
        _ = MemoryBlock(34, 1 << 27).nid


def test_no_memory_hotplug(machine):
    assert nodes.memory_blocks() == []


def test_kernel_threads(machine):
    for pid, comm, parent in ((10, "kswapd2", 2), (11, "kcompactd2", 1), (12, "a) S 2 (b", 1)):
        machine.file(f"proc/{pid}/stat", f"{pid} ({comm}) S {parent} 0 0 0 -1")
    assert Node(2).kernel_threads() == {"kswapd2"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], "none"),
        (["has_private_memory"], "v4"),
        (["has_private_memory", "dax:devices/dax0.0/private"], "v5"),
        (["has_private_memory", "dax:drivers/anondax/bind", "dax:devices/dax0.0/private"], "b0"),
        (["node1/mem_features"], "b2"),
        (["has_fallback_memory", "node1/mem_features", "has_user_memory"], "b3"),
        (["has_public_memory", "has_user_memory"], "c2"),
        (["has_common_memory", "has_public_memory"], "d2"),
        (["has_common_memory", "has_user_memory"], "d1"),
        (["dax:drivers/anondax/bind"], "none"),
        (["has_cpu", "has_memory", "has_normal_memory", "has_generic_initiator"], "none"),
        (["has_private_memory", "has_user_memory"], "unknown"),
        (["has_user_memory"], "unknown"),
        (["has_tiered_memory"], "unknown"),
        (["has_common_memory", "has_tiered_memory"], "unknown"),
    ],
)
def test_dialect(machine, files, expected):
    for name in files:
        if name.startswith("dax:"):
            machine.file(f"sys/bus/dax/{name[4:]}")
        else:
            machine.file(f"sys/devices/system/node/{name}")
    assert nodes.detect_dialect() == expected


@pytest.mark.parametrize("name", dialect.DIALECTS)
def test_only_supported_dialects_are_certified(name):
    reason = dialect.refusal(name, [])
    assert (reason is None) == (name in dialect.SUPPORTED)
    assert reason is None or f"speaks dialect {name} (" in reason


@pytest.mark.parametrize("name", [dialect.NONE, dialect.UNKNOWN, "v7"])
def test_anything_else_is_refused(name):
    assert dialect.refusal(name, ["has_x_memory"])

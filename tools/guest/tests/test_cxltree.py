# SPDX-License-Identifier: GPL-2.0-only
"""CXL trees: what contradicts itself is refused, and QEMU is told all of the rest."""

import itertools
import tomllib

import pytest

from tools.guest import cxltree, topology

GOOD = """
bridges = [{ id = "hb0", bus = 12 }, { id = "hb1", bus = 222 }]
ports = [{ id = "rp0", on = "hb0" }, { id = "rp1", on = "hb1" }]
switches = [{ id = "sw0", on = "rp0", ports = ["dp0", "dp1"] }]
devices = [
    { id = "mem0", on = "dp0", serial = 1, volatile = "256M" },
    { id = "mem1", on = "rp1", serial = 2, volatile = "256M", persistent = "512M" },
]
windows = [{ targets = ["hb0", "hb1"], size = "4G", node = 2 }]
"""


def tree(text: str = GOOD) -> cxltree.Tree:
    return cxltree.parse(tomllib.loads(text), topology.size)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('on = "hb1"', 'on = "hb2"', "is no bridge"),
        ('on = "rp0", ports', 'on = "rp7", ports', "is no root port"),
        ('on = "rp1", serial', 'on = "rp0", serial', "no free port"),
        ('on = "rp1", serial', 'on = "dp0", serial', "no free port"),
        ('volatile = "256M" }', 'volatile = "128M" }', "multiple of 256M"),
        (', volatile = "256M" }', " }", "has no memory"),
        ('"hb0", "hb1"]', '"hb0", "rp1"]', "not bridges"),
        ('size = "4G"', 'size = "256M"', "for each of its ways"),
        ("serial = 2", "serial = 1", "same serial"),
    ],
)
def test_contradictions(old: str, new: str, message: str) -> None:
    assert cxltree.problem(tree()) is None
    assert old in GOOD
    assert message in (cxltree.problem(tree(GOOD.replace(old, new))) or "")


def test_qemu_is_told_of_each_part() -> None:
    argv = cxltree.qemu(tree())
    devices = [word for option, word in itertools.pairwise(argv) if option == "-device"]
    kinds = [word.split(",")[0] for word in devices]
    assert kinds == [
        *["pxb-cxl"] * 2, *["cxl-rp"] * 2, "cxl-upstream", *["cxl-downstream"] * 2, *["cxl-type3"] * 2
    ]  # fmt: skip
    slots = [word.rpartition("slot=")[2] for word in devices if "slot=" in word]
    assert len(set(slots)) == len(slots)
    assert "persistent-memdev=cxl-mem1-persistent,lsa=cxl-mem1-lsa" in devices[-1]
    assert argv[-1] == f"cxl-fmw.0.targets.0=hb0,cxl-fmw.0.targets.1=hb1,cxl-fmw.0.size={4 << 30}"

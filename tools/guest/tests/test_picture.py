# SPDX-License-Identifier: GPL-2.0-only
"""Pictures of topologies, and of what a guest found."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tools.guest import picture, topology
from tools.guest.picture import Branch

FOUND = Path(__file__).parent / "machines.jsonl"  # from a guest of each topology, under TCG


def drawn(one: picture.Picture, encoding: str = "utf-8") -> str:
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding=encoding)
    picture.draw(one, stream)
    stream.flush()
    return data.getvalue().decode(encoding)


def machines() -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in FOUND.read_text().splitlines()]
    return {one["topology"]: one for one in found}


def shape(branches: list[Branch] | tuple[Branch, ...]) -> list[Any]:
    """Kinds of what is below what, and serial numbers, which do not depend on names; in no order."""

    def kind(label: str) -> str:
        words = label.split()
        return " ".join(words[words.index("serial") :][:2]) if "serial" in words else words[0]

    return sorted([kind(one.label), shape(one.below)] for one in branches)


@pytest.mark.parametrize("name", machines())
def test_a_guest_finds_the_tree_that_was_asked_for(name: str) -> None:
    promised = picture.of_topology(topology.load(name))
    found = picture.of_machine(machines()[name])
    assert shape(list(found.bridges)) == shape(list(promised.bridges))
    assert len(found.windows) == len(promised.windows)
    assert {node.id for node in found.nodes} == {node.id for node in promised.nodes}
    for node in found.nodes:
        twin = next(one for one in promised.nodes if one.id == node.id)
        assert node.cpus == twin.cpus
        assert {other: far for other, far in twin.distances.items() if other in node.distances} == (
            node.distances
        )


def test_text_of_a_switch() -> None:
    text = drawn(picture.of_topology(topology.load("cxl-switch")))
    assert text.endswith(
        """\
└── CXL tree
    └── host bridge hb0
        └── root port rp0
            └── switch sw0
                ├── downstream port dp0
                │   └── mem0  serial 0x1  256M volatile
                └── downstream port dp1
                    └── mem1  serial 0x2  256M volatile
"""
    )


def test_distances_are_those_of_each_node() -> None:
    text = drawn(picture.of_topology(topology.load("fast")))
    assert "node 2  512M  no CPU  distance 21 to 0, 12 to 1, 10 to 2, 19 to 3" in text
    assert "512M for node 1, at 0x100000000" in text


def test_ascii_where_there_is_nothing_else() -> None:
    assert "`-- CXL tree" in drawn(picture.of_topology(topology.load("cxl")), "ascii")


def machine(**changes: Any) -> dict[str, Any]:
    empty = {"nodes": [], "ranges": [], "devices": [], "ports": [], "windows": []}
    return {"topology": "here", "slot": None} | empty | changes


def test_what_is_on_no_port_is_drawn() -> None:
    """A device whose driver is not bound, a bridge without ports, and an endpoint directly below its host."""
    device = {"vendor": None, "device": None, "serial": "0x7", "firmware": None}
    sizes = {"volatile": None, "persistent": 3 << 40}
    ports = [
        {"name": "root0", "kind": "root", "below": None, "is": "X", "on": None, "leads": ["hb0", "hb1"]},
        {"name": "port1", "kind": "bridge", "below": "root0", "is": "hb0", "on": "hb0", "leads": []},
        {"name": "endpoint2", "kind": "device", "below": "port1", "is": "mem1", "on": None, "leads": []},
    ]
    devices = [{"name": name} | device | sizes for name in ("mem0", "mem1")]
    text = drawn(picture.of_machine(machine(devices=devices, ports=ports)))
    assert (
        text
        == """\
here: as this machine found it
└── CXL tree
    ├── host bridge hb0
    │   └── mem1  None:None  serial 0x7  3T persistent
    ├── host bridge hb1
    └── mem0  None:None  serial 0x7  3T persistent  (not on any port)
"""
    )


def test_a_machine_that_could_not_be_read_says_so() -> None:
    assert drawn(picture.of_machine({"topology": "cxl", "slot": 1, "error": "ValueError('x')"})) == (
        "cxl: as slot1 found it: ValueError('x')\n"
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (1 << 10, "1K"), (968511488, "923.6M"), (1 << 30, "1G"), (1536 << 20, "1.5G")],
)
def test_sizes(size: int, text: str) -> None:
    assert picture.binary(size) == text

# SPDX-License-Identifier: GPL-2.0-only
"""What a machine tells of itself: a made-up sysfs with a switch, and what the kernel does not show."""

import contextlib
import json
import struct

import pytest

from helpers import machine as machines
from helpers.machine import build_id

ROOT = "sys/devices/platform/ACPI0017:00/root0"
BUS = "sys/bus/cxl/devices"
PCI = "sys/devices/pci0000:0c"
BRIDGE, UP = f"{PCI}/0000:0c:00.0", f"{PCI}/0000:0c:00.0/0000:0d:00.0"
DOWN = [f"{UP}/0000:0e:0{number}.0" for number in (0, 1)]


@pytest.fixture
def switch(machine):
    """One host bridge, a root port, a switch with two downstream ports, a device on the second."""
    port(machine, "root0", ROOT, "sys/devices/platform/ACPI0017:00", {12: PCI})
    port(machine, "port1", f"{ROOT}/port1", PCI, {0: BRIDGE}, on=PCI)
    # two digits: the order of downstream ports is that of their numbers, not of their names
    port(machine, "port2", f"{ROOT}/port1/port2", UP, {2: DOWN[0], 10: DOWN[1]}, on=BRIDGE)
    function = f"{DOWN[1]}/0000:10:00.0"
    memory = f"{function}/mem0"
    port(machine, "endpoint3", f"{ROOT}/port1/port2/endpoint3", memory, {}, on=DOWN[1])
    machine.file(f"{function}/vendor", "0x8086")
    machine.file(f"{function}/device", "0x0d93")
    for name, value in {"serial": "0xfedcba9876543210", "firmware_version": "BWFW VERSION 00  "}.items():
        machine.file(f"{memory}/{name}", value)
    for name, value in {"ram/size": "0x10000000", "pmem/size": "0x0", "numa_node": -1}.items():
        machine.file(f"{memory}/{name}", value)
    machine.link(f"{BUS}/mem0", memory)
    decoder = f"{ROOT}/decoder0.0"
    values = {"start": "0x190000000", "size": "0x100000000", "interleave_granularity": 256}
    for name, value in {**values, "devtype": "cxl_decoder_root", "target_list": "12"}.items():
        machine.file(f"{decoder}/{name}", value)
    machine.link(f"{BUS}/decoder0.0", decoder)
    return machine


def port(machine, name, path, stands_for, leads, on=None):
    machine.directory(path)
    machine.directory(stands_for)
    machine.link(f"{BUS}/{name}", path)
    machine.link(f"{path}/uport", stands_for)
    for number, target in leads.items():
        machine.directory(target)
        machine.link(f"{path}/dport{number}", target)
    if on:
        machine.link(f"{path}/parent_dport", on)


def test_ports_from_the_root_to_the_device(switch):
    found = [(one["name"], one["kind"], one["below"], one["is"], one["on"]) for one in machines.ports()]
    assert found == [
        ("root0", "root", None, "ACPI0017:00", None),
        ("port1", "bridge", "root0", "pci0000:0c", "pci0000:0c"),
        ("port2", "switch", "port1", "0000:0d:00.0", "0000:0c:00.0"),
        ("endpoint3", "device", "port2", "mem0", "0000:0e:01.0"),
    ]
    assert [one["leads"] for one in machines.ports()] == [
        ["pci0000:0c"],
        ["0000:0c:00.0"],
        ["0000:0e:00.0", "0000:0e:01.0"],
        [],
    ]


def test_device(switch):
    assert machines.devices() == [
        {
            "name": "mem0",
            "address": "0000:10:00.0",
            "vendor": "0x8086",
            "device": "0x0d93",
            "serial": "0xfedcba9876543210",
            "firmware": "BWFW VERSION 00",
            "volatile": 256 << 20,
            "persistent": 0,
            "node": -1,
        }
    ]


def test_what_the_kernel_does_not_show_is_null(switch):
    for name in ("firmware_version", "pmem/size"):
        (switch.root / f"{BUS}/mem0/{name}").unlink()
    found = machines.devices()[0]
    assert (found["firmware"], found["persistent"], found["serial"]) == (None, None, "0xfedcba9876543210")


def test_windows_name_their_host_bridges(switch):
    assert machines.windows() == [
        {
            "name": "decoder0.0",
            "start": 0x190000000,
            "bytes": 4 << 30,
            "granularity": 256,
            "targets": ["pci0000:0c"],
        }
    ]


def test_a_machine_without_cxl_or_module(machine):
    for name, text in {"online": "0", "node0/cpulist": "0-1", "node0/distance": "10"}.items():
        machine.file(f"sys/devices/system/node/{name}", text)
    machine.file("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:  1014092 kB")
    found = machines.facts()
    assert json.loads(json.dumps(found)) == found
    assert found["nodes"] == [{"id": 0, "bytes": 1014092 << 10, "cpus": "0-1", "distances": {"0": 10}}]
    assert [found[key] for key in ("armed", "build_id", "ranges", "devices", "ports", "windows")] == [
        *(None, None),
        *([], [], [], []),
    ]


@pytest.mark.parametrize(
    ("path", "content", "error"),
    [
        ("sys/devices/system/node/online", "what", "ValueError"),
        ("sys/devices/system/node/online", None, "FileNotFoundError"),
        ("sys/devices/system/node/node0/meminfo", "", "KeyError('MemTotal')"),
    ],
)
def test_what_cannot_be_read_is_told(machine, path, content, error):
    for name, text in {"online": "0", "node0/cpulist": "0-1", "node0/distance": "10"}.items():
        machine.file(f"sys/devices/system/node/{name}", text)
    if content is None:
        (machine.root / path).unlink()
    else:
        machine.file(path, content)
    assert machines.told()["error"].startswith(error)


def test_armed_faults_are_what_the_module_says(machine, monkeypatch):
    class Module:
        @classmethod
        def open(cls, path):
            return contextlib.nullcontext(cls())

        def armed(self):
            return ["gate_bulk"]

    monkeypatch.setattr(machines, "TestModule", Module)
    assert machines.armed() is None
    machine.file("dev/pnode_test")
    assert machines.armed() == ["gate_bulk"]


def note(owner, kind, content):
    name = owner.encode() + b"\0"
    padded = [part + b"\0" * (-len(part) % 4) for part in (name, content)]
    return struct.pack("<III", len(name), len(content), kind) + b"".join(padded)


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        (note("Xen", 3, b"abc") + note("GNU", 1, b"12345") + note("GNU", 3, b"\x01\xab"), "01ab"),
        (note("Linux", 0x101, b"\0"), None),
        (note("GNU", 3, b"")[:-5], None),
        (b"", None),
    ],
)
def test_build_id_is_a_note_of_the_running_kernel(machine, notes, expected):
    (machine.root / "sys/kernel").mkdir()
    (machine.root / "sys/kernel/notes").write_bytes(notes)
    assert build_id() == expected

# SPDX-License-Identifier: GPL-2.0-only
"""What --dax and --here refuse, each in one line, and what they find."""

import pytest

from helpers.testmod.constants import Ops
from tools.errors import UserError
from tools.hardware import targets
from tools.hardware.tests.conftest import Machine


def refusal(*names: str) -> str:
    with pytest.raises(UserError) as caught:
        targets.spare(names)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_spare_device(machine: Machine) -> None:
    one, two = targets.spare(["dax1.0", "dax0.0", "dax1.0"])
    assert (one.nid, one.start, one.size, one.driver) == (3, 5 << 30, 512 << 20, None)
    assert (two.device.name, two.blocks) == ("dax0.0", {})


def test_no_such_device(machine: Machine) -> None:
    assert refusal("dax7.0") == "--dax dax7.0: no such dax device; there are: dax0.0, dax1.0"
    assert "no such CXL region; there are: none" in refusal("region0")


def test_online_system_ram(machine: Machine) -> None:
    machine.link("sys/bus/dax/devices/dax0.0/driver", "../../drivers/kmem")
    machine.block(32, "online")
    machine.block(33, "offline")
    assert "it is online system RAM (memory32, node 1)" in refusal("dax0.0")


def test_offline_memory_of_kmem_may_be_taken(machine: Machine) -> None:
    machine.link("sys/bus/dax/devices/dax0.0/driver", "../../drivers/kmem")
    machine.block(32, "offline")
    (one,) = targets.spare(["dax0.0"])
    assert (one.driver, one.blocks) == ("kmem", {32: "offline"})


def test_a_range_that_somebody_else_has(machine: Machine) -> None:
    text = machine.text("proc/iomem").replace(
        "  140000000-15fffffff : hmem.1", "  150000000-150000fff : a driver"
    )
    machine.file("proc/iomem", text)
    assert "its range is in use: a driver [0x150000000-0x150000fff]" in refusal("dax1.0")


def test_an_open_device(machine: Machine) -> None:
    machine.file("proc/42/comm", "qemu")
    machine.file("proc/42/maps", "7f00-7f10 rw-s 00000000 00:06 7 /usr/lib/libc.so")
    machine.link("proc/42/fd/3", machine.root / "dev/dax0.0")
    assert "/dev/dax0.0 is open: qemu (42)" in refusal("dax0.0")


def test_a_mapped_device(machine: Machine) -> None:
    machine.file("proc/42/comm", "db")
    machine.file("proc/42/maps", f"7f00-7f10 rw-s 00000000 00:06 7 {machine.root}/dev/dax0.0")
    (machine.root / "proc/42/fd").mkdir()
    assert "is open: db (42)" in refusal("dax0.0")


@pytest.mark.parametrize(
    ("mounted", "reason"), [(True, "is mounted (/data)"), (False, "is persistent memory")]
)
def test_a_namespace(machine: Machine, mounted: bool, reason: str) -> None:
    machine.file("sys/bus/nd/devices/namespace0.0/resource", "0x100000000")
    machine.file("sys/bus/nd/devices/namespace0.0/size", 512 << 20)
    machine.file("sys/bus/nd/devices/namespace0.0/block/pmem0/dev", "259:0")
    if mounted:
        machine.file("proc/self/mountinfo", "30 1 259:0 / /data rw - ext4 /dev/pmem0 rw")
    assert reason in refusal("dax0.0")
    assert targets.spare(["dax1.0"]), "the other device has none"


def test_a_node_with_ordinary_memory(machine: Machine) -> None:
    machine.file("sys/bus/dax/devices/dax0.0/target_node", 0)
    assert "node 0 has ordinary memory" in refusal("dax0.0")


def test_no_node_at_all(machine: Machine) -> None:
    machine.file("sys/bus/dax/devices/dax0.0/target_node", -1)
    assert "the firmware tells no node" in refusal("dax0.0")


def test_two_of_one_node(machine: Machine) -> None:
    machine.file("sys/bus/dax/devices/dax1.0/target_node", 1)
    assert "dax0.0, dax1.0 are memory of the same node 1" in refusal("dax0.0", "dax1.0")


def test_less_than_a_block(machine: Machine) -> None:
    machine.file("sys/bus/dax/devices/dax0.0/size", 64 << 20)
    assert "64 MiB hold no whole memory block (128 MiB)" in refusal("dax0.0")


def test_another_private_node(machine: Machine) -> None:
    machine.file("sys/devices/system/node/has_private_memory", "3")
    assert "node 3 is private already" in refusal("dax0.0")


def provision(machine: Machine, *nodes: int, anon: int = 0) -> None:
    machine.file("sys/devices/system/node/has_private_memory", ",".join(map(str, nodes)))
    for nid in nodes:
        machine.file(
            f"sys/devices/system/node/node{nid}/meminfo",
            f"Node {nid} MemTotal: 131072 kB\nNode {nid} AnonPages: {anon} kB\nNode {nid} FilePages: 0 kB",
        )


def found(monkeypatch: pytest.MonkeyPatch, policies: bool, **options: object) -> targets.Provisioned:
    monkeypatch.setattr(targets, "takes_policies", lambda _nid: policies)
    return targets.provisioned(**{"wanted": None, "declared": None, **options})  # type: ignore[arg-type]


def test_a_node_that_a_driver_has_made(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    provision(machine, 3)
    assert found(monkeypatch, policies=False).flags == Ops.NONE
    one = found(monkeypatch, policies=True)
    assert (one.nid, one.size, one.flags) == (3, 128 << 20, Ops.MIGRATION | Ops.MEMPOLICY)
    assert "MIGRATION MEMPOLICY" in str(one)


def test_what_a_profile_declares(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    provision(machine, 3)
    assert found(monkeypatch, policies=False, declared=Ops.DEMOTION).flags == Ops.DEMOTION
    with pytest.raises(UserError, match=r"MEMPOLICY is open, but mbind\(\) on node 3 is EINVAL"):
        found(monkeypatch, policies=False, declared=Ops.MIGRATION | Ops.MEMPOLICY)
    with pytest.raises(UserError, match=r"MEMPOLICY is closed, but mbind\(\) on node 3 works"):
        found(monkeypatch, policies=True, declared=Ops.MIGRATION)


@pytest.mark.parametrize(
    ("nodes", "wanted", "anon", "reason"),
    [
        ((), None, 0, "no private node on this machine.* dax0.0, dax1.0"),
        ((1, 3), None, 0, "nodes 1, 3 are private; choose one with --node"),
        ((1, 3), 2, 0, "--node 2: not a private node; there are: 1, 3"),
        ((3,), None, 8, "node 3 is in use .AnonPages 8 kB."),
    ],
)
def test_no_node_to_test(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    nodes: tuple[int, ...],
    wanted: int | None,
    anon: int,
    reason: str,
) -> None:
    provision(machine, *nodes, anon=anon)
    with pytest.raises(UserError, match=reason):
        found(monkeypatch, policies=False, wanted=wanted)

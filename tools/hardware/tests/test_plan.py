# SPDX-License-Identifier: GPL-2.0-only
"""The plan that is printed before a run on a machine."""

import pytest

from helpers.testmod.constants import Ops
from tools.cli.collect import Collected
from tools.errors import UserError
from tools.hardware import plan, targets
from tools.hardware.plan import Hardware
from tools.hardware.targets import Provisioned
from tools.hardware.tests.conftest import Machine

TESTS = [
    Collected("a::one", ("ISO-01", "ISO-02")),
    Collected("a::two", ("HPL-08",), "disruptive, needs --allow-disruptive"),
    Collected("a::three", ("ISO-02",), "disruptive, needs --allow-disruptive"),
]


def test_a_spare_device(machine: Machine) -> None:
    machine.file("proc/sys/vm/compaction_proactiveness", 20)
    machine.file("proc/sys/kernel/numa_balancing", 0)
    hardware = Hardware(tuple(targets.spare(["dax0.0"])), None, allow_disruptive=False)
    text = plan.text(hardware, TESTS, "6.12", "v4", "m.ko")
    assert "takes      dax0.0 [0x100000000-0x11fffffff] node 1, 512 MiB; driver now: none" in text
    assert "vm.compaction_proactiveness 20 -> 0" in text
    assert "numa_balancing" not in text, "it has the wanted value"
    assert "leaves     dax1.0" in text
    assert "runs       1 tests of 2 requirements: ISO-01 02" in text
    assert (
        "skips      2 tests: disruptive, needs --allow-disruptive; none left of 1 requirements: HPL-08"
        in text
    )


def test_a_node_of_a_driver(machine: Machine) -> None:
    machine.file("sys/devices/system/node/has_private_memory", "1,3")
    hardware = Hardware((), Provisioned(3, 1 << 28, Ops.MIGRATION, "profile"), allow_disruptive=True)
    text = plan.text(hardware, TESTS, "6.12", "v4", "m.ko")
    assert "tests      node 3, 256 MiB; services open: MIGRATION (profile); as its driver made it" in text
    assert "leaves     private node 1" in text
    assert "private node 3" not in text


def test_what_the_suite_is_told(machine: Machine) -> None:
    spare = Hardware(tuple(targets.spare(["dax1.0", "dax0.0"])), None, allow_disruptive=True)
    assert spare.environment()["PNODE_DAX"] == "dax1.0,dax0.0"
    assert spare.environment()["PNODE_ALLOW_DISRUPTIVE"] == "1"
    made = Hardware((), Provisioned(3, 1 << 28, Ops.MIGRATION | Ops.MEMPOLICY, ""), allow_disruptive=False)
    assert made.environment()["PNODE_PROVISIONED"] == "3:MIGRATION|MEMPOLICY"
    assert made.environment()["PNODE_DAX"] == ""


def test_swap_in_use(machine: Machine) -> None:
    plan.require_idle_swap(allow_disruptive=False)
    machine.file("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1024 0 -2")
    with pytest.raises(UserError, match=r"swap is on ./dev/sda2."):
        plan.require_idle_swap(allow_disruptive=False)
    plan.require_idle_swap(allow_disruptive=True)

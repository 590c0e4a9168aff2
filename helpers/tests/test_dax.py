# SPDX-License-Identifier: GPL-2.0-only
import pytest

from helpers import dax


@pytest.fixture
def bus(machine):
    for name, resource, size, node in (
        ("dax1.0", "0x140000000", "0x20000000", 3),
        ("dax0.0", "0x100000000", "536870912", 1),
    ):
        path = f"sys/bus/dax/devices/{name}"
        machine.file(f"{path}/resource", resource)
        machine.file(f"{path}/size", size)
        machine.file(f"{path}/target_node", node)
        machine.file(f"{path}/numa_node", 0)
    for driver in ("device_dax", "kmem"):
        for attribute in ("bind", "unbind", "new_id", "remove_id"):
            machine.file(f"sys/bus/dax/drivers/{driver}/{attribute}", "")
    machine.link("sys/bus/dax/devices/dax0.0/driver", "sys/bus/dax/drivers/device_dax")
    return machine


def written(machine, driver, attribute):
    return (machine.root / f"sys/bus/dax/drivers/{driver}/{attribute}").read_text().strip()


def test_devices_by_address(bus):
    first, second = dax.devices()
    assert (first.name, first.start, first.size, first.target_node) == ("dax0.0", 1 << 32, 512 << 20, 1)
    assert first.end == 0x120000000
    assert first.driver == "device_dax"
    assert second.driver is None
    assert str(first) == "dax0.0 [0x100000000-0x11fffffff] node 1"


def test_seeds_without_a_range_are_left_out(bus):
    bus.file("sys/bus/dax/devices/dax2.0/size", "0")
    bus.file("sys/bus/dax/devices/dax2.0/resource", "0xffffffffffffffff")
    bus.file("sys/bus/dax/devices/dax2.0/target_node", "-1")
    bus.file("sys/bus/dax/devices/dax3.0/size", "4096")
    assert [one.name for one in dax.devices()] == ["dax0.0", "dax1.0"]


def test_unbind(bus):
    first, second = dax.devices()
    assert first.unbind() == "device_dax"
    assert written(bus, "device_dax", "unbind") == "dax0.0"
    assert written(bus, "device_dax", "remove_id") == "dax0.0"
    assert second.unbind() is None


def test_bind_tells_the_id_first(bus):
    _first, second = dax.devices()
    second.bind("kmem")
    assert written(bus, "kmem", "new_id") == "dax1.0"
    assert written(bus, "kmem", "bind") == "dax1.0"


def test_missing_driver(bus):
    with pytest.raises(FileNotFoundError, match="drivers/nothing/bind"):
        dax.devices()[1].bind("nothing")


def test_no_bus(machine):
    assert dax.devices() == []
    with pytest.raises(FileNotFoundError):
        dax.device("dax0.0")

# SPDX-License-Identifier: GPL-2.0-only
"""The sysfs tree of two devices below two host bridges, and a kernel that refuses a step."""

import errno

import pytest

from helpers import cxl, cxl_decoders, paths
from helpers.cxl import CxlError, Decoder, Memdev, Region

ROOT = "sys/devices/platform/ACPI0017:00/root0"
BUS = "sys/bus/cxl/devices"
MIB = 1 << 20


@pytest.fixture
def bus(machine):
    machine.directory(BUS)
    window(machine, "decoder0.0", targets="12")
    for index, bridge in ((0, "ACPI0016:00"), (1, "ACPI0016:01")):
        port, endpoint = f"port{index + 1}", f"endpoint{index + 3}"
        bridge_path = f"sys/devices/LNXSYSTM:00/{bridge}"
        machine.directory(bridge_path)
        machine.link(f"{ROOT}/dport{12 + index * 210}", bridge_path)
        machine.link(f"{ROOT}/{port}/parent_dport", bridge_path)
        memory = f"sys/devices/pci0000:{12 + index:02x}/0000:0{index + 13:x}:00.0/mem{index}"
        machine.file(f"{memory}/serial", f"0x{index + 1}")
        machine.file(f"{memory}/ram/size", hex(512 * MIB))
        machine.file(f"{memory}/pmem/size", "0x0")
        machine.link(f"{BUS}/mem{index}", memory)
        decoder(machine, f"{ROOT}/{port}/{endpoint}/decoder{index + 3}.0", "endpoint")
        decoder(machine, f"{ROOT}/{port}/{endpoint}/decoder{index + 3}.1", "endpoint")
        decoder(machine, f"{ROOT}/{port}/decoder{index + 1}.0", "switch")
        machine.link(f"{ROOT}/{port}/{endpoint}/uport", memory)
    for attribute in ("bind", "unbind"):
        machine.file(f"sys/bus/cxl/drivers/cxl_region/{attribute}", "")
    return machine


def window(machine, name, targets):
    decoder(machine, f"{ROOT}/{name}", "root")
    machine.file(f"{ROOT}/{name}/cap_ram", 1)
    machine.file(f"{ROOT}/{name}/target_list", targets)
    machine.file(f"{ROOT}/{name}/interleave_ways", targets.count(",") + 1)
    machine.file(f"{ROOT}/{name}/create_ram_region", "region0")
    machine.file(f"{ROOT}/{name}/delete_region", "")


def decoder(machine, path, kind):
    machine.file(f"{path}/devtype", f"cxl_decoder_{kind}")
    machine.file(f"{path}/start", "0x190000000")
    machine.file(f"{path}/size", "0x100000000")
    machine.file(f"{path}/interleave_ways", 1)
    machine.file(f"{path}/interleave_granularity", 256)
    if kind != "root":
        machine.file(f"{path}/region", "")
    if kind == "endpoint":
        machine.file(f"{path}/mode", "none")
        machine.file(f"{path}/dpa_size", "0x0000000000000000")
    machine.link(f"{BUS}/{path.rsplit('/', 1)[1]}", path)


class Kernel:
    """Stands between the helper and the files: creates the region, records writes, refuses one."""

    def __init__(self, machine, monkeypatch):
        self.machine, self.log, self.refuse = machine, [], {}
        self.real = paths.write_text
        monkeypatch.setattr(paths, "write_text", self.write)

    def write(self, path, value):
        self.log.append(f"{path.parent.name}/{path.name}={str(value).strip()}")
        if path.name in self.refuse:
            raise OSError(self.refuse[path.name], "refused", str(path))
        if path.name == "create_ram_region":
            self.region()
        elif path.name == "delete_region":
            (self.machine.root / f"{BUS}/region0").unlink()
        path.write_text(f"{value}\n")
        if path.name == "interleave_ways":
            for position in range(int(value)):
                self.machine.file(f"{ROOT}/decoder0.0/region0/target{position}", "")

    def region(self):
        region = f"{ROOT}/decoder0.0/region0"
        values = {"interleave_ways": 0, "interleave_granularity": 0, "size": "0x0", "commit": 0}
        for name, value in {**values, "resource": "0xffffffffffffffff"}.items():
            self.machine.file(f"{region}/{name}", value)
        self.machine.link(f"{BUS}/region0", region)


@pytest.fixture
def kernel(bus, monkeypatch):
    return Kernel(bus, monkeypatch)


def test_devices_and_decoders(bus):
    assert cxl.present()
    first, second = cxl.memdevs()
    assert (first.name, first.serial, first.ram_size, first.pmem_size) == ("mem0", 1, 512 * MIB, 0)
    assert first.pci_address == "0000:0d:00.0"
    (root,) = cxl.root_decoders()
    assert (root.name, root.kind, root.start, root.size) == ("decoder0.0", "root", 0x190000000, 4 << 30)
    assert (root.target_list, root.port, root.cap_ram) == ([12], "root0", True)
    assert root.region is None
    assert [one.name for one in cxl.decoders("switch")] == ["decoder1.0", "decoder2.0"]
    assert [one.memdev for one in cxl.decoders("endpoint")] == [first, first, second, second]
    assert cxl.endpoint_decoder(second).name == "decoder4.0"
    with pytest.raises(LookupError, match="no endpoint decoder"):
        _ = root.memdev


def test_no_cxl(machine):
    assert not cxl.present()
    assert cxl.memdevs() == cxl.decoders() == cxl.regions() == []
    with pytest.raises(LookupError, match="no CXL memory device"):
        cxl.create_ram_region()


def test_used_decoders_are_not_offered(bus):
    bus.file(f"{ROOT}/port1/endpoint3/decoder3.0/region", "region7")
    assert cxl.endpoint_decoder(Memdev("mem0")).name == "decoder3.1"
    bus.file(f"{ROOT}/port1/endpoint3/decoder3.1/dpa_size", "0x10000000")
    with pytest.raises(LookupError, match="no free endpoint decoder"):
        cxl.endpoint_decoder(Memdev("mem0"))


def test_one_way_region(kernel):
    region = cxl.create_ram_region()
    assert kernel.log == [
        "decoder0.0/create_ram_region=region0",
        "region0/interleave_granularity=256",
        "region0/interleave_ways=1",
        "decoder3.0/mode=ram",
        f"decoder3.0/dpa_size={512 * MIB}",
        f"region0/size={512 * MIB}",
        "region0/target0=decoder3.0",
        "region0/commit=1",
        "cxl_region/bind=region0",
    ]
    assert region == Region("region0") == cxl.regions()[0]
    assert region.window.name == "decoder0.0"
    assert region.committed
    assert region.resource is None
    assert region.targets == [Decoder("decoder3.0")]


def test_destroy_goes_back(kernel):
    region = cxl.create_ram_region()
    kernel.machine.link(f"{ROOT}/decoder0.0/region0/driver", "sys/bus/cxl/drivers/cxl_region")
    kernel.log.clear()
    region.destroy()
    assert kernel.log == [
        "cxl_region/unbind=region0",
        "region0/commit=0",
        "region0/target0=",
        "decoder0.0/delete_region=region0",
        "decoder3.0/dpa_size=0",
    ]
    assert not region.exists()
    region.destroy()


def test_two_ways_follow_the_windows_order(kernel):
    for attribute, value in (("target_list", "222,12"), ("interleave_ways", 2)):
        kernel.machine.file(f"{ROOT}/decoder0.0/{attribute}", value)
    region = cxl.create_ram_region(cxl.memdevs(), size=512 * MIB)
    assert [one.name for one in region.targets] == ["decoder4.0", "decoder3.0"]
    assert f"decoder4.0/dpa_size={256 * MIB}" in kernel.log
    assert f"region0/size={512 * MIB}" in kernel.log


def test_two_devices_behind_one_bridge_cannot_serve_two(kernel):
    for attribute, value in (("target_list", "222,12"), ("interleave_ways", 2)):
        kernel.machine.file(f"{ROOT}/decoder0.0/{attribute}", value)
    both = [Decoder("decoder3.0"), Decoder("decoder3.1")]
    with pytest.raises(LookupError, match="no device for position 0, behind ACPI0016:01"):
        cxl.in_window_order(Decoder("decoder0.0"), both)


def test_a_refused_commit_says_why_and_leaves_nothing(kernel):
    kernel.refuse = {"commit": errno.ENXIO}
    with pytest.raises(CxlError, match="CONFIG_CXL_REGION_INVALIDATION_TEST") as caught:
        cxl.create_ram_region()
    assert (caught.value.attribute, caught.value.errno, caught.value.value) == ("commit", errno.ENXIO, 1)
    assert "ENXIO when 1 was written" in str(caught.value)
    assert cxl.regions() == []
    assert "decoder3.0/dpa_size=0" in kernel.log


def test_a_refusal_before_the_target_is_set_frees_the_capacity(kernel):
    kernel.refuse = {"size": errno.ERANGE}
    with pytest.raises(CxlError, match="no free space of that size"):
        cxl.create_ram_region()
    assert kernel.log[-1] == "decoder3.0/dpa_size=0"
    assert cxl.regions() == []


def test_a_name_taken_in_between_is_read_again(kernel, monkeypatch):
    tries = []
    real = kernel.write

    def racing(path, value):
        if path.name == "create_ram_region" and not tries:
            tries.append(1)
            raise OSError(errno.EBUSY, "busy", str(path))
        real(path, value)

    monkeypatch.setattr(paths, "write_text", racing)
    assert cxl.new_region(Decoder("decoder0.0")).name == "region0"


@pytest.mark.parametrize(
    ("attribute", "number", "cause"),
    [
        ("target3", errno.EINVAL, "decoder size times ways"),
        ("dpa_size", errno.ENOSPC, "more than the device has left"),
        ("commit", errno.EPERM, "Operation not permitted"),
        ("nothing", errno.EIO, "Input/output error"),
    ],
)
def test_likely_cause(attribute, number, cause):
    assert cause in cxl.likely_cause(attribute, number)


def test_every_cause_is_a_real_errno():
    for attribute, table in cxl_decoders._causes().items():
        for name in table:
            assert hasattr(errno, name), f"{attribute}: {name}"

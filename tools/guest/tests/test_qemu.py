# SPDX-License-Identifier: GPL-2.0-only
import itertools
from pathlib import Path

import pytest

from tools.guest import qemu, topology
from tools.guest.errors import GuestError

# x86's COMMAND_LINE_SIZE; what is longer is cut off without a word.
LONGEST = 2048


def command(name: str, **more: bool) -> list[str]:
    return qemu.command(topology.load(name), "tcg", Path("/k"), Path("/i"), **more)


def following(argv: list[str], word: str) -> list[str]:
    return [after for before, after in itertools.pairwise(argv) if before == word]


def test_private_memory_is_taken_away_from_the_kernel() -> None:
    (append,) = following(command("fast"), "-append")
    assert "memmap=0x20000000%0x100000000-1+0xefffffff,0x20000000%0x140000000-1+0xefffffff" in append.split()
    assert "memhp_default_state=offline" in append.split()
    assert len(append) < LONGEST


def test_nodes_and_distances() -> None:
    numa = following(command("fast"), "-numa")
    assert numa[:4] == [
        "node,nodeid=0,memdev=m0,cpus=0-1",
        "node,nodeid=1,memdev=m1",
        "node,nodeid=2,memdev=m2",
        "node,nodeid=3,memdev=m3",
    ]
    assert "dist,src=1,dst=2,val=12" in numa


def test_a_socket_for_each_node_with_cpus() -> None:
    assert following(command("fast"), "-smp") == ["2,sockets=1"]
    assert following(command("sockets"), "-smp") == ["2,sockets=2"]
    assert following(command("sockets"), "-numa")[1] == "node,nodeid=1,memdev=m1,cpus=1"


def test_backends_add_up_to_the_machines_memory() -> None:
    for name in topology.names():
        argv = command(name)
        sizes = [int(word.rpartition("=")[2]) for word in following(argv, "-object") if ",id=m" in word]
        assert following(argv, "-m") == [f"{sum(sizes) >> 20}M"]


def test_cxl_devices_only_where_they_belong() -> None:
    assert not [word for word in command("fast") if "cxl" in word]
    devices = following(command("cxl"), "-device")
    assert [device.partition(",")[0] for device in devices][:3] == ["pxb-cxl", "cxl-rp", "cxl-type3"]
    # A device without a bus may land on the CXL host bridge, which takes bridges only.
    assert all("bus=" in device for device in devices if not device.startswith("virtserialport"))
    assert "cxl=on" in following(command("cxl"), "-machine")[0]


def test_firmware_that_tells_how_fast_memory_is() -> None:
    argv = command("cxl-hmat")
    assert "hmat=on" in following(argv, "-machine")[0]
    numa = following(argv, "-numa")
    # The generic port has a proximity domain between those of memory, and a distance like any other.
    assert [word.partition(",memdev")[0] for word in numa if word.startswith("node,")] == [
        "node,nodeid=0",
        "node,nodeid=1",
        "node,nodeid=2",
    ]
    assert "dist,src=0,dst=2,val=21" in numa
    way = "hmat-lb,initiator=0,target=1,hierarchy=memory"
    assert f"{way},data-type=access-latency,latency=200" in numa
    assert f"{way},data-type=access-bandwidth,bandwidth=8192M" in numa
    assert "acpi-generic-port,id=gp0,pci-bus=hb0,node=1" in following(argv, "-object")


def test_a_console_on_the_terminal_has_no_worker() -> None:
    argv = command("fast", console=True)
    assert following(argv, "-serial") == ["mon:stdio"]
    assert "-chardev" not in argv


def test_sockets_have_relative_paths() -> None:
    argv = command("fast")
    assert following(argv, "-chardev") == ["file,id=console,path=console.log,append=on"] + [
        f"socket,id={name},path={name}.sock,server=on,wait=off" for name in ("worker", "host", "watch")
    ]
    assert following(argv, "-serial") == ["chardev:console"]


def test_an_old_qemu_is_refused_for_cxl_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu, "version", lambda: (7, 2, 11))
    qemu.check_version(topology.load("fast"))
    with pytest.raises(GuestError, match=r"QEMU 7\.2 has no volatile CXL device.*bookworm-backports"):
        qemu.check_version(topology.load("cxl"))


def test_a_missing_qemu_is_named() -> None:
    with pytest.raises(GuestError, match="qemu-system-none not found"):
        qemu.version("qemu-system-none")

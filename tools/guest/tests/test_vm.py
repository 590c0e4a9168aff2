# SPDX-License-Identifier: GPL-2.0-only
"""Real guests under a real pytest-xdist. Every kind of end is caused on purpose."""

import os
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import execnet
import pytest

from tools.cli.session import distribution
from tools.guest import control, pool, topology
from tools.guest.errors import GuestError
from tools.guest.pool import GuestSpec, Pool
from tools.guest.slot import slots
from tools.paths import ROOT

pytestmark = pytest.mark.vm

SAMPLE = """
import os, time
import pytest

@pytest.mark.parametrize("number", range(8))
def test_fine(number, tmp_path):
    (tmp_path / "file").write_text("x")
    assert os.path.exists("/sys/devices/system/node/node2")

def test_panics():
    with open("/proc/sysrq-trigger", "w") as trigger:
        trigger.write("c")
    time.sleep(60)

def test_hangs():
    with open("/dev/kmsg", "w") as log:
        log.write("<5>sample: hanging\\n")  # without its end of line a record stays open, unprinted
    while True:
        pass

def test_fails():
    assert [1] == [2]

@pytest.mark.parametrize("number", range(8))
def test_goes_on(number):
    time.sleep(0.1)
"""
CONFIG = """
[tool.pytest.ini_options]
testpaths = ["selftests"]
addopts = "--strict-markers --import-mode=importlib -p no:cacheprovider"
"""


@pytest.fixture(scope="module")
def kernel() -> Path:
    path = os.environ.get("PNODE_VM_KERNEL")
    if not path:
        pytest.skip("PNODE_VM_KERNEL names no kernel")
    return Path(path)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "a repo"  # a space in the path has to work
    (path / "selftests").mkdir(parents=True)
    (path / "selftests/test_sample.py").write_text(SAMPLE)
    (path / "pyproject.toml").write_text(CONFIG)
    (path / "conftest.py").touch()
    return path


@pytest.fixture
def guests(kernel: Path, repository: Path, tmp_path: Path) -> Iterator[Pool]:
    spec = GuestSpec(topology.load("fast"), kernel, repository=repository)
    with pool.start(spec, 2, tmp_path / "a run") as started:
        yield started
    assert not [boot for slot in started.slots for boot in slot.boots() if boot.qemu_pid()]


def kill_what_hangs(run_dir: Path, seconds: float) -> None:
    """What the watchdog does, for the test that says that it hangs."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for slot in slots(run_dir):
            boot = slot.current()
            if boot and boot.console.exists() and b"sample: hanging" in boot.console.read_bytes():
                assert control.kill_slot(run_dir, slot.index, "test_hangs ran too long")
                return
        time.sleep(0.1)


def test_each_end_is_blamed_on_its_test_and_the_others_go_on(
    guests: Pool, repository: Path, tmp_path: Path
) -> None:
    run_dir = guests.slots[0].run_dir
    watchdog = threading.Thread(target=kill_what_hangs, args=(run_dir, 300.0), daemon=True)
    watchdog.start()
    report = tmp_path / "junit.xml"
    words = [word for tx in guests.tx() for word in ("--tx", tx)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *distribution(4)),
            *(f"--junitxml={report}", *words),
        ],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    watchdog.join()
    assert done.returncode == 1, done.stdout + done.stderr
    cases = {case.get("name"): list(case) for case in ET.parse(report).iter("testcase")}
    bad = {name for name, children in cases.items() if children}
    assert bad == {"test_panics", "test_hangs", "test_fails"}, done.stdout
    assert len(cases) == 19
    reasons = [boot.state()["reason"] for slot in guests.slots for boot in slot.boots()]
    assert "panic: sysrq triggered crash" in reasons
    assert "killed: test_hangs ran too long" in reasons
    assert len(reasons) == 4
    hung = next(
        boot.state()
        for slot in guests.slots
        for boot in slot.boots()
        if "test_hangs" in boot.state()["reason"]
    )
    assert "NMI" in hung["excerpt"]


def test_times(guests: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    gateway = execnet.makegateway(guests.tx()[0])
    try:
        gateway.remote_exec("channel.send(1)").receive(timeout=30)
        answered = time.monotonic() - started
        before = time.monotonic()
        for _ in range(20):
            gateway.remote_exec("channel.send(1)").receive(timeout=30)
        trip = (time.monotonic() - before) / 20
    finally:
        gateway.exit()
    with capsys.disabled():
        image = guests.initrd
        print(f"\ninitramfs {image.runtime_bytes / 1e6:.1f} + {image.suite_bytes / 1e6:.2f} MB")
        print(f"seconds from start: {[guest.seconds for guest in guests.guests]}")
        print(f"then to the first answer {answered:.2f} s, each further one {trip * 1000:.1f} ms")
    assert answered < 30


def test_a_module_that_is_none_is_told(kernel: Path, repository: Path, tmp_path: Path) -> None:
    module = tmp_path / "pnode_test.ko"
    module.write_bytes(b"no module")
    spec = GuestSpec(topology.load("fast"), kernel, repository=repository, module=module)
    with pool.start(spec, 1, tmp_path / "run") as started:
        assert started.record["state"] == "nomodule"
        assert started.record["insmod"] == "ENOEXEC"


def test_a_suite_that_lacks_a_package_is_told_at_boot(
    kernel: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.guest.spec._PRESENT", ("no_such_module",))
    spec = GuestSpec(topology.load("fast"), kernel, repository=repository)
    with pytest.raises(GuestError, match="no module no_such_module"):
        pool.start(spec, 1, tmp_path / "run")


def test_cxl_node_is_there_without_memory(kernel: Path, repository: Path, tmp_path: Path) -> None:
    spec = GuestSpec(topology.load("cxl"), kernel, repository=repository)
    with pool.start(spec, 1, tmp_path / "run") as started:
        assert started.accel.name == "tcg"
        assert (started.record["possible"], started.record["has_memory"]) == ("0-3", "0,2")
        gateway = execnet.makegateway(started.tx()[0])
        channel = gateway.remote_exec("import os; channel.send(os.listdir('/sys/bus/cxl/devices'))")
        assert "mem0" in channel.receive(timeout=30)
        gateway.exit()

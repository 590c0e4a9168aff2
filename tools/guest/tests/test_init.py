# SPDX-License-Identifier: GPL-2.0-only
"""Parts of the guest's init that need no guest."""

import importlib.util
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tools.guest import console
from tools.guest.layers import INSIDE


@pytest.fixture
def init(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("guest_init", INSIDE / "init.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (lambda: None, "exit 0"),
        (lambda: sys.exit(3), "exit 3"),
        (lambda: sys.exit("why"), "exit 1"),
        (lambda: 1 / 0, "exit 1"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL"),
    ],
)
def test_the_workers_status_in_words(init: ModuleType, body: Callable[[], None], status: str) -> None:
    assert init.wait_for(init.start(body)) == status


def test_strangers_are_reaped_on_the_way(init: ModuleType) -> None:
    stranger = os.fork()
    if stranger == 0:
        os._exit(5)
    assert init.wait_for(init.start(lambda: __import__("time").sleep(0.2))) == "exit 0"
    with pytest.raises(ChildProcessError):
        os.waitpid(stranger, os.WNOHANG)


def test_a_record_fits_one_line_of_the_kernel_log(
    init: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "kmsg"
    monkeypatch.setattr("builtins.open", lambda *_, **__: log.open("ab", buffering=0))
    init.say({"state": "ready", "dax": [["dax0.0", 1, 1 << 40]] * 100})
    line = log.read_bytes()
    assert len(line) < 1024
    assert json.loads(line.partition(b"pnode-guest: ")[2]) == {"state": "ready"}


@pytest.mark.parametrize("firmware", ["", "a b " * 600, "\u00e9\n" * 300])
def test_what_a_machine_is_takes_many_lines(
    init: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, firmware: str
) -> None:
    log = tmp_path / "kmsg"
    monkeypatch.setattr("builtins.open", lambda *_, **__: log.open("ab", buffering=0))
    found = {"release": "6.12", "devices": [{"firmware": firmware}]}
    init.say_machine(found)
    lines = log.read_text().splitlines()
    assert all(len(line) < 1024 for line in lines)
    # as the console shows it: time stamps, and what other CPUs print in between
    text = "\n[    9.9] random: crng init done\n".join(f"[    1.5] {line[3:]}" for line in lines)
    assert console.machine(text + "\n") == found
    assert console.machine(text[:-9]) is None


def test_dax_devices(init: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "DAX", str(tmp_path / "none"))
    assert init.dax_devices() == []
    for name, values in {"dax1.0": {"target_node": "3", "size": "1024"}, "dax0.0": {}}.items():
        (tmp_path / name).mkdir()
        for attribute, value in values.items():
            (tmp_path / name / attribute).write_text(value + "\n")
    monkeypatch.setattr(init, "DAX", str(tmp_path))
    assert init.dax_devices() == [["dax0.0", -1, 0], ["dax1.0", 3, 1024]]


def test_the_port_is_found_by_name(init: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for port, name in {"vport1p1": "other", "vport2p7": "org.pnode.worker"}.items():
        (tmp_path / port).mkdir()
        (tmp_path / port / "name").write_text(name + "\n")
    monkeypatch.setattr(init, "PORTS", str(tmp_path))
    monkeypatch.setattr(init, "PORT_SECONDS", 0.0)
    assert init.find_port("org.pnode.worker") == "/dev/vport2p7"
    assert init.find_port("absent") is None


def test_modules(init: ModuleType, tmp_path: Path) -> None:
    assert init.load_module(None) == "absent"
    assert init.load_module(str(tmp_path / "none.ko")) == "absent"
    module = tmp_path / "no.ko"
    module.write_bytes(b"not a module")
    assert init.load_module(str(module)) in ("ENOEXEC", "EPERM", "ENOSYS")  # the host may not take any


def test_a_missing_package_is_found_before_a_worker_is(init: ModuleType) -> None:
    init.preload(["json"], ["json"])
    with pytest.raises(ModuleNotFoundError):
        init.preload(["no_such_module"], [])
    with pytest.raises(ModuleNotFoundError, match="no module no_such_module"):
        init.preload([], ["no_such_module"])

# SPDX-License-Identifier: GPL-2.0-only
"""Faults from outside, on processes that stand in for QEMU and its wrapper."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.chaos import data, host
from tools.guest.slot import Launch, Slot
from tools.report.workers import Running

NODEID = "test_chaos[000-kill-qemu]"


@pytest.fixture
def victim(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    slot = Slot(tmp_path, 0)
    boot = slot.new_boot({})
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=boot.path)
    (boot.path / "qemu.pid").write_text(str(process.pid))
    boot.claim(process.pid)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("name", ["kill-qemu", "kill-wrapper"])
def test_signals_reach_their_process(tmp_path: Path, victim: "subprocess.Popen[bytes]", name: str) -> None:
    host.strike(name, tmp_path, 0)
    assert victim.wait(10) == -signal.SIGKILL


def test_a_slot_without_a_guest_is_left_alone(tmp_path: Path) -> None:
    host.strike("kill-qemu", tmp_path, 3)


def test_no_guest_can_be_booted_any_more(tmp_path: Path, victim: "subprocess.Popen[bytes]") -> None:
    slot = Slot(tmp_path, 0)
    slot.set_launch(Launch("fast", "tcg", ["qemu", "-kernel", "/k"], {}, "hello", 1.0, 1.0))
    host.strike("no-replacement", tmp_path, 0)
    assert slot.launch().argv == ["qemu", "-no-such-option", "/k"]
    assert victim.wait(10) == -signal.SIGKILL


def test_each_test_is_struck_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    struck: list[tuple[str, int]] = []
    monkeypatch.setattr(host, "strike", lambda name, run_dir, slot: struck.append((name, slot)))
    monkeypatch.setattr(host, "AFTER", 0.0)
    running = [Running(NODEID, 1, 0.0, 0.0), Running("test_chaos[001-panic]", 0, 0.0, 0.0)]
    known = data.load()
    faults = {NODEID: known["kill-qemu"], running[1].nodeid: known["panic"]}
    injector = host.Injector(lambda: running, faults, tmp_path)
    injector.start()
    wait_for(lambda: bool(struck))
    time.sleep(0.2)
    injector.stop()
    assert struck == [("kill-qemu", 1)]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)

# SPDX-License-Identifier: GPL-2.0-only
"""Findings: their lines and exit status, and checks that cannot even be tried."""

import subprocess
from pathlib import Path

import pytest

from tools.cli import doctor
from tools.cli.exits import Exit
from tools.doctor import checks
from tools.doctor.checks import Finding, State


def test_line_has_state_name_what_and_command() -> None:
    fields = doctor.line(Finding(State.MISSING, "qemu", "no qemu", "apt-get install qemu")).split("  ")
    assert [field.strip() for field in fields if field.strip()] == [
        "missing",
        "qemu",
        "no qemu",
        "-> apt-get install qemu",
    ]
    assert "->" not in doctor.line(Finding(State.OK, "qemu", "QEMU 10"))


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([State.OK, State.DEGRADED], Exit.HOLDS),
        ([State.OK, State.MISSING, State.DEGRADED], Exit.CANNOT_RUN),
    ],
)
def test_degraded_still_runs(states: list[State], status: Exit) -> None:
    assert doctor.status([Finding(state, "x", "y") for state in states]) == status


def test_check_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging() -> Finding:
        raise subprocess.TimeoutExpired("qemu", 60)

    def good() -> Finding:
        return Finding(State.OK, "good", "")

    monkeypatch.setattr(checks, "CHECKS", (hanging, good))
    first, second = checks.run_all()
    assert (first.state, first.name) == (State.MISSING, "hanging")
    assert "timed out" in first.what
    assert second.name == "good"


def test_little_disk_and_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Little:
        free = available = 1 << 30

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: Little)
    monkeypatch.setattr(checks.psutil, "virtual_memory", lambda: Little)
    disk, memory = checks.disk(), checks.memory()
    assert disk.state is State.MISSING
    assert str(tmp_path) in disk.what
    assert memory.state is State.DEGRADED


def test_kvm_needs_a_kernel_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.shutil, "which", lambda name: name)
    monkeypatch.setattr(checks, "bootable_kernel", lambda: None)
    found = checks.kvm()
    assert found.state is State.DEGRADED
    assert found.fix == "pnode kernel build"


@pytest.mark.parametrize(("name", "state"), [("kvm", State.OK), ("tcg", State.DEGRADED)])
def test_kvm_is_what_the_probe_boot_says(monkeypatch: pytest.MonkeyPatch, name: str, state: State) -> None:
    monkeypatch.setattr(checks.shutil, "which", lambda name: name)
    monkeypatch.setattr(checks, "bootable_kernel", lambda: Path("bzImage"))
    answer = checks.accel.Accel(name, "because")  # type: ignore[arg-type]
    monkeypatch.setattr(checks.accel, "probe", lambda image, fresh: answer)
    found = checks.kvm()
    assert found.state is state
    assert "because" in found.what

# SPDX-License-Identifier: GPL-2.0-only
"""A made-up machine below a temporary directory."""

from pathlib import Path

import pytest

from helpers import paths


class FakeMachine:
    """Files below fake /sys, /proc and /dev."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("sys", "proc", "dev"):
            (root / name).mkdir()

    def file(self, name: str, text: object = "") -> Path:
        """file("sys/a/b", "text"): a file with its directories and a newline, as sysfs writes it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
        return path

    def link(self, name: str, target: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(self.root / target)
        return path

    def directory(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path


@pytest.fixture
def machine(tmp_path, monkeypatch):
    fake = FakeMachine(tmp_path)
    monkeypatch.setattr(paths, "SYS", tmp_path / "sys")
    monkeypatch.setattr(paths, "PROC", tmp_path / "proc")
    monkeypatch.setattr(paths, "DEV", tmp_path / "dev")
    return fake

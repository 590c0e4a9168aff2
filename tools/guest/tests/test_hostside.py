# SPDX-License-Identifier: GPL-2.0-only
"""What a guest may ask for, and what becomes of the rest; QEMU is played by its own library's server half."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools.guest import hostside, qmp


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """QMP commands that reached QEMU, which has one CXL device, of serial number 7."""
    seen: list[tuple[str, dict[str, Any]]] = []

    def execute(_folder: Path, command: str, arguments: dict[str, Any] | None = None) -> Any:
        if command == "qom-list":
            return [{"name": "rp0", "type": "child<cxl-rp>"}, {"name": "mem0", "type": "child<cxl-type3>"}]
        if command == "qom-get":
            return 7
        seen.append((command, dict(arguments or {})))
        if arguments and arguments.get("start") == 1:
            raise qmp.Refused("not aligned")
        return {}

    monkeypatch.setattr(qmp, "execute", execute)
    return seen


def ask(command: str, **arguments: object) -> dict[str, Any]:
    return hostside.answer(Path(), json.dumps({"execute": command, "arguments": arguments}).encode())


def test_a_device_is_named_by_its_serial_number(asked: list[tuple[str, dict[str, Any]]]) -> None:
    assert ask("cxl-inject-poison", serial=7, start=0, length=64) == {"return": {}}
    assert ask("device_del", serial=7) == {"return": {}}
    assert asked == [
        ("cxl-inject-poison", {"path": "/machine/peripheral/mem0", "start": 0, "length": 64}),
        ("device_del", {"id": "mem0"}),
    ]


def test_what_goes_wrong_is_the_answer(asked: list[tuple[str, dict[str, Any]]]) -> None:
    assert "no CXL device has the serial number 8" in ask("device_del", serial=8)["error"]
    assert ask("cxl-inject-poison", serial=7, start=1) == {"error": "not aligned"}
    assert "error" in hostside.answer(Path(), b"not json\n")
    assert "error" in hostside.answer(Path(), b"{}\n")


@pytest.mark.parametrize("command", ["quit", "migrate", "human-monitor-command", "object-add"])
def test_nothing_else_is_carried_out(asked: list[tuple[str, dict[str, Any]]], command: str) -> None:
    assert "nothing that a test may ask for" in ask(command)["error"]
    assert asked == []

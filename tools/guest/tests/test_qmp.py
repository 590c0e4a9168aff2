# SPDX-License-Identifier: GPL-2.0-only
"""QMP commands to a QEMU of a few lines, and what it may answer."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.guest import qmp
from tools.guest.qemu import QMP_SOCKET

GREETING = {"QMP": {"version": {"qemu": {"major": 10, "minor": 0, "micro": 0}}, "capabilities": []}}
LATE = {"error": {"class": "CommandNotFound", "desc": "Capabilities negotiation is already complete"}}
Answer = Callable[[dict[str, Any]], list[dict[str, Any]]]


def line_of(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\r\n"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[Answer], Path]]:
    """`served(answer)`: the folder of a guest whose QEMU says to each command what `answer` returns."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / QMP_SOCKET))
    listener.listen()

    def serve(answer: Answer) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(line_of(GREETING))
            # The library ends no command with a newline, and sends none before it has an answer.
            while told := connection.recv(4096):
                connection.sendall(b"".join(map(line_of, answer(json.loads(told)))))

    def start(answer: Answer) -> Path:
        threading.Thread(target=serve, args=(answer,), daemon=True).start()
        return tmp_path

    yield start
    listener.close()


def named(told: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": told["id"], **fields} if "id" in told else fields


def test_what_it_returns(served: Callable[[Answer], Path]) -> None:
    folder = served(lambda told: [named(told, **{"return": told["execute"]})])
    assert qmp.execute(folder, "query-status") == "query-status"


def test_what_it_refuses(served: Callable[[Answer], Path]) -> None:
    def answer(told: dict[str, Any]) -> list[dict[str, Any]]:
        greeted = told["execute"] == "qmp_capabilities"
        return [named(told, **({"return": {}} if greeted else {"error": {"class": "X", "desc": "not now"}}))]

    with pytest.raises(qmp.Refused, match="not now"):
        qmp.execute(served(answer), "cont")


def test_an_answer_to_somebody_before_is_no_answer(served: Callable[[Answer], Path]) -> None:
    """However it meets the library, in the middle of connect() or after it."""
    folder = served(lambda told: [named(told, **{"return": {}}), LATE])
    with pytest.raises(OSError, match="QMP: "):
        qmp.execute(folder, "query-status")


def test_silence(served: Callable[[Answer], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qmp, "SECONDS", 0.2)
    with pytest.raises(OSError, match="no answer to query-status"):
        qmp.execute(served(lambda told: []), "query-status")

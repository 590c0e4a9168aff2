# SPDX-License-Identifier: GPL-2.0-only
"""What a test may ask of the machine it runs on: faults of its CXL devices.

The guest writes a request as one line of JSON to its port, {"execute": COMMAND, "arguments": {...}}, and
reads one line, {"return": ...} or {"error": "why"}. Only the commands below are carried out. A device is
named by its serial number, which both sides know: the argument "serial" becomes QEMU's "path" (or "id").
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from pathlib import Path
from typing import Any

from tools.guest import control
from tools.guest.qemu import HOST_SOCKET

ALLOWED = frozenset(
    {
        "cxl-inject-poison",
        "cxl-inject-general-media-event",
        "cxl-inject-dram-event",
        "cxl-inject-correctable-error",
        "cxl-inject-uncorrectable-errors",
        "device_del",
    }
)
_BY_ID = frozenset({"device_del"})
_PERIPHERAL = "/machine/peripheral"


def serve(folder: Path) -> threading.Thread:
    """Answer the requests of the guest whose folder this is, until it ends."""
    thread = threading.Thread(target=_serve, args=(folder,), name="pnode-host", daemon=True)
    thread.start()
    return thread


def _serve(folder: Path) -> None:
    # A guest that is gone, or never had the port, has no requests.
    with contextlib.suppress(OSError), control.connect(folder, HOST_SOCKET) as connection:
        _answer_all(folder, connection)


def _answer_all(folder: Path, connection: socket.socket) -> None:
    with connection.makefile("rb") as requests:
        for line in requests:
            connection.sendall(json.dumps(answer(folder, line)).encode() + b"\n")


def answer(folder: Path, line: bytes) -> dict[str, Any]:
    """The answer to one request. Raises nothing: what goes wrong is in it."""
    from tools.guest import qmp

    try:
        request = json.loads(line)
        command, arguments = request["execute"], dict(request.get("arguments", {}))
        if command not in ALLOWED:
            return {"error": f"{command} is nothing that a test may ask for"}
        if (serial := arguments.pop("serial", None)) is not None:
            name = device(folder, serial)
            arguments |= {"id": name} if command in _BY_ID else {"path": f"{_PERIPHERAL}/{name}"}
        return {"return": qmp.execute(folder, command, arguments)}
    except (ValueError, KeyError, TypeError, LookupError, OSError, qmp.Refused) as error:
        return {"error": str(error) or type(error).__name__}


def device(folder: Path, serial: int) -> str:
    """QEMU's name of the CXL device with this serial number. Raises LookupError."""
    from tools.guest import qmp

    for entry in qmp.execute(folder, "qom-list", {"path": _PERIPHERAL}):
        if entry["type"] == "child<cxl-type3>":
            place = {"path": f"{_PERIPHERAL}/{entry['name']}", "property": "sn"}
            if qmp.execute(folder, "qom-get", place) == serial:
                return str(entry["name"])
    raise LookupError(f"no CXL device has the serial number {serial}")

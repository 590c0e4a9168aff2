# SPDX-License-Identifier: GPL-2.0-only
"""The machine below this one: a test may ask it for faults of its devices.

A guest has a virtio port for that, named org.pnode.host; one line of JSON each way. Hardware has none:
`available()` says so. What may be asked for are commands of QEMU's QMP about CXL (docs/interop/qemu-qmp-ref,
"CXL"), with the device named by its serial number.
"""

import json
import os
import select
from pathlib import Path
from typing import Any

from helpers import paths

PORT_NAME = "org.pnode.host"
#: Seconds for an answer; the host itself gives QEMU two.
TIMEOUT = 20.0


class HostError(Exception):
    """The host did not do it; the text says why."""


def port() -> Path | None:
    """The device that leads to the host, or None on a machine without one."""
    ports = paths.SYS / "class/virtio-ports"
    if not ports.is_dir():
        return None
    found = (one for one in sorted(ports.iterdir()) if paths.read_text(one / "name") == PORT_NAME)
    return next((Path("/dev", one.name) for one in found), None)


def available() -> bool:
    """Can the machine be asked for faults."""
    return port() is not None


def request(command: str, **arguments: Any) -> Any:
    """Have the host execute a command; words of the arguments may be joined by _ for -.

    Returns what QEMU returns. HostError when it refuses or does not answer.
    """
    device = port()
    if device is None:
        raise HostError("this machine has no port to a host")
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    handle = os.open(device, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # Without anybody at the other end the port is never writable.
        if not select.select([], [handle], [], TIMEOUT)[1]:
            raise HostError("the host does not listen")
        os.write(handle, json.dumps({"execute": command, "arguments": named}).encode() + b"\n")
        answer = json.loads(_line(handle))
    finally:
        os.close(handle)
    if "error" in answer:
        raise HostError(f"{command}: {answer['error']}")
    return answer["return"]


def _line(handle: int) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        if not select.select([handle], [], [], TIMEOUT)[0]:
            raise HostError(f"no answer within {TIMEOUT:.0f} s")
        piece = os.read(handle, 4096)
        if not piece:
            raise HostError("the host is gone")
        data += piece
    return data

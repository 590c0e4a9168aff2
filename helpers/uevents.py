# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel announces to udev: uevents by netlink.

Source: lib/kobject_uevent.c; a message is "action@devpath" and KEY=value strings, each ended by a zero byte.
"""

import socket
from dataclasses import dataclass
from types import TracebackType

__all__ = ["Uevent", "Uevents", "parse"]

NETLINK_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1
_LARGEST = 8192


@dataclass(frozen=True)
class Uevent:
    """One announcement. `keys` without the action, the path and the sequence number."""

    action: str
    devpath: str
    keys: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.action}@{self.devpath}"


def parse(data: bytes) -> Uevent | None:
    """A message of the kernel; None for anything else (udev daemons send in a form of their own)."""
    head, *words = data.decode("utf-8", "replace").rstrip("\0").split("\0")
    if "@" not in head:
        return None
    keys = dict(word.split("=", 1) for word in words if "=" in word)
    action, devpath = keys.pop("ACTION", ""), keys.pop("DEVPATH", "")
    keys.pop("SEQNUM", None)
    return Uevent(action, devpath, tuple(sorted(keys.items())))


class Uevents:
    """Listens from its making on; `read()` gives what came since the last read, oldest first."""

    def __init__(self) -> None:
        """OSError EPROTONOSUPPORT where the kernel has no uevents by netlink."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_KOBJECT_UEVENT)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind((0, _KERNEL_GROUP))
        self._socket.setblocking(False)

    def read(self) -> list[Uevent]:
        """Never waits: uevents are sent before the call that causes them returns."""
        found: list[Uevent] = []
        while True:
            try:
                data = self._socket.recv(_LARGEST)
            except BlockingIOError:
                return found
            event = parse(data)
            if event is not None:
                found.append(event)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "Uevents":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

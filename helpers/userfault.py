# SPDX-License-Identifier: GPL-2.0-only
"""userfaultfd(2): a task that handles faults on its own memory. Source: include/uapi/linux/userfaultfd.h."""

import fcntl
import os
import struct
from types import TracebackType
from typing import Self

from helpers.memory import Mapping
from helpers.rawcall import call

_API = 0xAA
_UFFDIO_API = 0xC018AA3F
_UFFDIO_REGISTER = 0xC020AA00
_UFFDIO_COPY = 0xC028AA03
_UFFDIO_ZEROPAGE = 0xC020AA04
_UFFDIO_MOVE = 0xC028AA05
_UFFDIO_WRITEPROTECT = 0xC018AA06
_FEATURE_MOVE = 1 << 16
_MSG = struct.Struct("=B7xQQ8x")  # struct uffd_msg of a page fault: event, flags, address

MISSING, WP = 1, 2
#: Flag of a fault on a write-protected page.
FAULT_WP = 2


class Userfault:
    """A descriptor for this process's memory. OSError: EINVAL where the kernel cannot move pages by it."""

    def __init__(self) -> None:
        self.fd = call("userfaultfd", os.O_CLOEXEC)
        self._ioctl(_UFFDIO_API, _API, _FEATURE_MOVE, 0)

    def _ioctl(self, request: int, *words: int) -> None:
        fcntl.ioctl(self.fd, request, bytearray(struct.pack(f"={len(words)}Q", *words)), True)

    def register(self, memory: Mapping, mode: int) -> None:
        """From now on faults of these kinds on the memory are ours."""
        self._ioctl(_UFFDIO_REGISTER, memory.addr, memory.nbytes, mode, 0)

    def copy(self, to: int, source: int, length: int) -> None:
        """New pages with the contents of others."""
        self._ioctl(_UFFDIO_COPY, to, source, length, 0, 0)

    def zero(self, to: int, length: int) -> None:
        """The shared zero page."""
        self._ioctl(_UFFDIO_ZEROPAGE, to, length, 0, 0)

    def move(self, to: int, source: int, length: int) -> None:
        """The very pages of `source`, which are gone from there."""
        self._ioctl(_UFFDIO_MOVE, to, source, length, 0, 0)

    def protect(self, addr: int, length: int, protected: bool) -> None:
        """Writes fault, or are let through (and who waits goes on)."""
        self._ioctl(_UFFDIO_WRITEPROTECT, addr, length, int(protected))

    def fault(self) -> tuple[int, int]:
        """Waits for a fault: address and flags."""
        event, flags, addr = _MSG.unpack(os.read(self.fd, _MSG.size))
        if event != 0x12:
            raise OSError(f"event {event:#x} of userfaultfd is no page fault")
        return addr, flags

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)

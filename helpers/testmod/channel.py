# SPDX-License-Identifier: GPL-2.0-only
"""An open descriptor of /dev/pnode_test and its ioctls, by name or with any bytes."""

import errno as errno_names
import fcntl
import os
from types import TracebackType
from typing import Any, Self

from helpers.testmod import decode
from helpers.testmod.abi import CONSTANTS, DEVICE, REQUESTS, ffi
from helpers.testmod.results import Gfp, Handshake


class Channel:
    """`gfp` has the kernel's gfp values, `handshake` the rest of what the module says of itself."""

    def __init__(self, fd: int) -> None:
        """Takes over fd. OSError EPROTO or ENOTTY: the module was built from another pnode_test.h."""
        self._fd = fd
        raw = REQUESTS["HANDSHAKE"].new(abi=CONSTANTS["PNT_ABI"])
        self._call("HANDSHAKE", raw)
        decode.check_sizes(raw)
        self.gfp: Gfp = decode.gfp(raw)
        self.handshake: Handshake = decode.handshake(raw)

    @classmethod
    def open(cls, path: str | os.PathLike[str] = DEVICE) -> Self:
        """Opens the device. OSError: ENOENT without the module, EACCES without privilege, EPROTO, ENOTTY."""
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return cls(fd)
        except BaseException:
            os.close(fd)
            raise

    def fileno(self) -> int:
        if self._fd < 0:
            raise OSError(errno_names.EBADF, "the test module's descriptor is closed")
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def reopen(self, path: str | os.PathLike[str] = DEVICE) -> None:
        """Another descriptor in place of one that was closed, for a module that was loaded anew meanwhile."""
        self.close()
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ioctl(self, request: int, data: bytes | bytearray = b"") -> bytes:
        """Any request with any bytes, for fuzzing; at least a page is behind the pointer.

        Returns the bytes afterwards, as many as were given.
        """
        buffer = ffi.new("char[]", max(len(data), 1 << 14))
        ffi.memmove(buffer, data, len(data))
        fcntl.ioctl(self.fileno(), request, ffi.buffer(buffer), True)
        return bytes(ffi.buffer(buffer, len(data)))

    def ioctl_pointer(self, request: int, address: int) -> int:
        """Any request with a number below 2 GiB in place of the pointer (EFAULT tests: 0, 1, 4096)."""
        return fcntl.ioctl(self.fileno(), request, address)

    def _call(self, name: str, raw: Any) -> None:
        fd, request = self.fileno(), REQUESTS[name]
        try:
            fcntl.ioctl(fd, request.number, ffi.buffer(raw), True)
        except OSError as error:
            number = error.errno or 0
            label = errno_names.errorcode.get(number, str(number))
            raise OSError(number, f"{name} of the test module: {label}") from None

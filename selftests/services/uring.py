# SPDX-License-Identifier: GPL-2.0-only
"""io_uring as far as registering buffers, which pins them for as long as the ring lives. Sources:
include/uapi/linux/io_uring.h, io_uring_register(2)."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from helpers.rawcall import address_of, call, ffi

_PARAMS = 120  # sizeof(struct io_uring_params)
_REGISTER_BUFFERS = 0
_UNREGISTER_BUFFERS = 1


@contextmanager
def ring() -> Iterator[int]:
    """A ring's descriptor. The test is skipped without CONFIG_IO_URING (ENOSYS), and where
    kernel.io_uring_disabled says no (EPERM)."""
    params = ffi.new("char[]", _PARAMS)
    try:
        fd = call("io_uring_setup", 4, address_of(params))
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):
            pytest.skip("needs io_uring, which is off or not in this kernel")
        raise
    try:
        yield fd
    finally:
        os.close(fd)


def register(fd: int, addr: int, length: int) -> None:
    """One buffer. OSError of the long-term pin."""
    vector = ffi.new("unsigned long[]", [addr, length])
    call("io_uring_register", fd, _REGISTER_BUFFERS, address_of(vector), 1)


def unregister(fd: int) -> None:
    call("io_uring_register", fd, _UNREGISTER_BUFFERS, 0, 0)

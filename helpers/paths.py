# SPDX-License-Identifier: GPL-2.0-only
"""Where the kernel's files are, and small readers for them.

The roots are looked up at each call, so a unit test points them at a made-up tree by
setting `paths.SYS` or `paths.PROC`.
"""

import os
from pathlib import Path

SYS = Path("/sys")
PROC = Path("/proc")
DEV = Path("/dev")


def nodes() -> Path:
    """The directory of NUMA nodes and of the lists of them."""
    return SYS / "devices/system/node"


def driver(device: Path) -> str | None:
    """Name of the driver that a device is bound to, None without one."""
    try:
        return Path(os.readlink(device / "driver")).name
    except FileNotFoundError:
        return None


_PIECE = 1 << 16


def read_text(path: Path | str) -> str:
    """Contents without the trailing newline. OSError as the kernel gives it."""
    # No file object: making one costs an emulated CPU several times what the kernel takes.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = piece = os.read(fd, _PIECE)
        while piece:
            piece = os.read(fd, _PIECE)
            data += piece
    finally:
        os.close(fd)
    return data.decode("utf-8", "replace").rstrip("\n")


def read_int(path: Path | str) -> int:
    """One number, decimal or with 0x. ValueError names the file when it holds something else."""
    text = read_text(path).strip()
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError(f"{path}: expected a number, found {text!r}") from None


def write_text(path: Path, value: object) -> None:
    """One write(2) of the whole value, as sysfs, procfs and cgroupfs want it.

    No O_CREAT and no O_TRUNC: a missing attribute is ENOENT. The OSError names the file
    and the value, which the bare errno of a sysfs store does not.
    """
    data = str(value).encode()
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)
    except OSError as error:
        raise OSError(error.errno, f"{os.strerror(error.errno or 0)}, writing {value!r}", str(path)) from None

# SPDX-License-Identifier: GPL-2.0-only
import struct
from pathlib import Path

import pytest

from tools.guest import image
from tools.guest.errors import GuestError

SETUP_SECTORS = 3
PAYLOAD = 4096


def bzimage() -> bytes:
    """The least that is a bzImage by its header."""
    data = bytearray((SETUP_SECTORS + 1) * 512 + PAYLOAD)
    data[0x1F1] = SETUP_SECTORS
    struct.pack_into("<I", data, 0x1F4, PAYLOAD // 16)
    data[0x1FE:0x200] = b"\x55\xaa"
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", data, 0x20E, 0x300)
    text = b"6.12.117+ (root@host) #1 SMP\0"
    data[0x500 : 0x500 + len(text)] = text
    return bytes(data)


def test_release(tmp_path: Path) -> None:
    path = tmp_path / "bzImage"
    path.write_bytes(bzimage())
    assert image.check(path) == "6.12.117+"


@pytest.mark.parametrize("lost", [1, PAYLOAD, PAYLOAD + 512])
def test_truncated(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "bzImage"
    path.write_bytes(bzimage()[:-lost])
    with pytest.raises(GuestError, match="is truncated: 6144 bytes by its header"):
        image.check(path)


@pytest.mark.parametrize("data", [b"", b"\x7fELF" + b"\0" * 5000, b"hello\n"])
def test_something_else(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(data)
    with pytest.raises(GuestError, match="not an x86 bzImage"):
        image.check(path)


def test_missing_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(GuestError, match="No such file"):
        image.check(tmp_path / "none")
    with pytest.raises(GuestError, match="Is a directory"):
        image.check(tmp_path)

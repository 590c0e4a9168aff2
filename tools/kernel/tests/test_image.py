# SPDX-License-Identifier: GPL-2.0-only
"""A bzImage, and everything that is none."""

import struct
from pathlib import Path

import pytest

from tools.errors import UserError
from tools.kernel import image

VERSION_AT = 0x600


def bzimage(setup_sectors: int = 4, paragraphs: int = 256) -> bytes:
    """Return the smallest file with a setup header, 4 KiB of "kernel" and a version."""
    data = bytearray((setup_sectors + 1) * 512 + paragraphs * 16)
    data[0x1F1] = setup_sectors
    struct.pack_into("<I", data, 0x1F4, paragraphs)
    data[0x1FE:0x200] = b"\x55\xaa"
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", data, 0x20E, VERSION_AT - 512)
    text = b"6.12.117-pnode (pnode@selftests) #1 SMP\0"
    data[VERSION_AT : VERSION_AT + len(text)] = text
    return bytes(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bzImage"


def test_release_is_read(path: Path) -> None:
    path.write_bytes(bzimage() + b"signature behind the kernel")
    found = image.inspect(path)
    assert found.release == "6.12.117-pnode"
    assert found.nominal_size == len(bzimage())


@pytest.mark.parametrize("left", [1, 520, 0x20F, 0x260, 4096, len(bzimage()) - 1])
def test_truncated_image(path: Path, left: int) -> None:
    path.write_bytes(bzimage()[:left])
    reason = "truncated" if left >= 0x206 else "not an x86 bzImage"
    with pytest.raises(UserError, match=reason):
        image.inspect(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an x86 bzImage"),
        (b"#!/bin/sh\n" * 100, "not an x86 bzImage"),
        (bzimage().replace(b"\x55\xaa", bytes(2)), "not an x86 bzImage"),
        (bzimage().replace(b"HdrS", bytes(4)), "not an x86 bzImage"),
        (b"\x7fELF" + bytes(1000), "an ELF file"),
    ],
)
def test_something_else(path: Path, content: bytes, reason: str) -> None:
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as caught:
        image.inspect(path)
    assert "\n" not in str(caught.value)


def test_no_file(path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        image.inspect(path)
    with pytest.raises(UserError, match="Is a directory"):
        image.inspect(path.parent)

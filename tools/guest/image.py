# SPDX-License-Identifier: GPL-2.0-only
"""Looks at a kernel image before anything is booted with it (Documentation/arch/x86/boot.rst)."""

from __future__ import annotations

import struct
from pathlib import Path

from tools.guest.errors import GuestError

_HEADER = 0x270


def check(path: Path) -> str:
    """The release string of a bzImage.

    Raises GuestError when the file cannot be read, is no x86 bzImage, or is shorter than its header says.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEADER)
            if len(head) < _HEADER or head[0x1FE:0x200] != b"\x55\xaa" or head[0x202:0x206] != b"HdrS":
                raise GuestError(
                    f"{path} is not an x86 bzImage; give the kernel's arch/x86/boot/bzImage or vmlinuz"
                )
            setup_sectors = head[0x1F1] or 4
            (paragraphs,) = struct.unpack_from("<I", head, 0x1F4)
            expected = (setup_sectors + 1) * 512 + paragraphs * 16
            if size < expected:
                raise GuestError(
                    f"{path} is truncated: {expected} bytes by its header, the file has {size}; copy it again"
                )
            (version,) = struct.unpack_from("<H", head, 0x20E)
            file.seek(version + 0x200)
            text = file.read(256)
    except OSError as error:
        raise GuestError(f"cannot read kernel image {path}: {error.strerror}") from error
    return text.partition(b"\0")[0].decode(errors="replace").partition(" ")[0]

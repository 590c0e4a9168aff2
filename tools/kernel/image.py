# SPDX-License-Identifier: GPL-2.0-only
"""Tells a kernel image from something else before QEMU is started on it.

Layout: the x86 boot protocol, Documentation/arch/x86/boot.rst of the kernel, section "The real-mode header".
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from tools.errors import UserError

HEADER_END = 0x268  # the longest header of protocol 2.15
BOOT_FLAG, MAGIC = b"\x55\xaa", b"HdrS"  # at 0x1FE and 0x202
SECTOR = 512
PARAGRAPH = 16
DEFAULT_SETUP_SECTORS = 4  # what 0 in the header means


@dataclass(frozen=True)
class Image:
    """What the setup header says."""

    path: Path
    version: str  # "6.12.117-pnode (pnode@selftests) #1 SMP ...", as `file` prints it
    nominal_size: int  # bytes of setup code and kernel; a file may be longer, never shorter

    @property
    def release(self) -> str:
        """The first word of the version: uname -r."""
        return self.version.split(" ", 1)[0]


def inspect(path: Path) -> Image:
    """Read the header of a bzImage.

    Raises UserError for a missing, unreadable, foreign or truncated file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            header = stream.read(HEADER_END)
            if header[:4] == b"\x7fELF":
                raise UserError(f"kernel {path}: an ELF file (vmlinux?); give arch/x86/boot/bzImage")
            if header[0x1FE:0x200] != BOOT_FLAG or header[0x202:0x206] != MAGIC:
                raise UserError(f"kernel {path}: not an x86 bzImage; give arch/x86/boot/bzImage or a vmlinuz")
            if len(header) < HEADER_END:
                raise UserError(f"kernel {path}: truncated: {size} bytes, not even its header; copy it again")
            setup = header[0x1F1] or DEFAULT_SETUP_SECTORS
            (paragraphs,) = struct.unpack_from("<I", header, 0x1F4)
            nominal = (setup + 1) * SECTOR + paragraphs * PARAGRAPH
            if size < nominal:
                raise UserError(
                    f"kernel {path}: truncated: {size} bytes, its header promises {nominal}; copy it again"
                )
            (version_at,) = struct.unpack_from("<H", header, 0x20E)
            stream.seek(version_at + SECTOR)
            version = stream.read(SECTOR).split(b"\0", 1)[0].decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"kernel {path}: no such file; give a bzImage (arch/x86/boot/bzImage)") from None
    except OSError as error:
        raise UserError(f"kernel {path}: {error.strerror}; give a readable bzImage") from None
    return Image(path, version if version_at else "", nominal)

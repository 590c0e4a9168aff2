# SPDX-License-Identifier: GPL-2.0-only
"""ELF files: which shared libraries they need, and their loadable part alone."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.guest.errors import GuestError

_MAGIC = b"\x7fELF"
_CLASS_64_LITTLE = b"\x02\x01"
_HEADER_SIZE = 64

# ldd prints "name => /path (0x...)", "/loader (0x...)", or "name => not found".
_LDD_PATH = re.compile(r"^\s+(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
_LDD_MISSING = re.compile(r"^\s+(\S+) => not found$", re.MULTILINE)


def is_elf(data: bytes) -> bool:
    """Whether the bytes are an ELF file."""
    return data.startswith(_MAGIC)


def stripped(data: bytes) -> bytes:
    """The part of a 64-bit ELF file that a loader reads: symbols for debuggers and section headers are cut
    off.

    Distributions strip their files, self-built interpreters are often three quarters debug data. No
    binutils needed. Anything that is not such a file comes back as it is.
    """
    if not is_elf(data) or data[4:6] != _CLASS_64_LITTLE or len(data) < _HEADER_SIZE:
        return data
    (program_offset,) = struct.unpack_from("<Q", data, 0x20)
    entry_size, entries = struct.unpack_from("<HH", data, 0x36)
    end = max(_HEADER_SIZE, program_offset + entry_size * entries)
    for index in range(entries):
        file_offset, _, _, file_size = struct.unpack_from(
            "<QQQQ", data, program_offset + index * entry_size + 8
        )
        end = max(end, file_offset + file_size)
    if end >= len(data):
        return data
    kept = bytearray(data[:end])
    struct.pack_into("<Q", kept, 0x28, 0)  # e_shoff
    struct.pack_into("<HH", kept, 0x3C, 0, 0)  # e_shnum, e_shstrndx
    return bytes(kept)


def shared_libraries(paths: Sequence[str]) -> list[str]:
    """All shared libraries, the loader included, that the dynamic files in `paths` pull in (sorted host
    paths).

    Asks the loader itself (ldd), so search paths in the file and the host's configuration are honoured.
    Raises GuestError when a library is missing or ldd cannot run.
    """
    try:
        done = subprocess.run(["ldd", *paths], capture_output=True, text=True, check=False)
    except OSError as error:
        raise GuestError(f"cannot run ldd: {error.strerror}; install: apt-get install libc-bin") from error
    if missing := _LDD_MISSING.findall(done.stdout):
        raise GuestError(
            f"shared library {missing[0]} not found; repair the Python installation or its packages"
        )
    return sorted(set(_LDD_PATH.findall(done.stdout)))


def beside(libraries: Iterable[str], names: Iterable[str]) -> list[str]:
    """Paths of libraries that are loaded by name only, found in the folders of `libraries` (absent ones
    left out).
    """
    folders = sorted({str(Path(library).parent) for library in libraries})
    found = []
    for name in names:
        candidates = [Path(folder, name) for folder in folders]
        found += [str(path) for path in candidates if path.exists()][:1]
    return found

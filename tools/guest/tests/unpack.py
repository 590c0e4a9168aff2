# SPDX-License-Identifier: GPL-2.0-only
"""Reads newc archives the way the kernel does; shares no code with the writer."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Member:
    path: str
    mode: int
    data: bytes
    device: tuple[int, int]


def members(data: bytes) -> Iterator[Member]:
    """The members of all archives in `data`, in order."""
    at = 0
    while at < len(data):
        if data[at] == 0:  # between two archives
            at += 4
            continue
        assert data[at : at + 6] == b"070701", f"no header at {at}"
        fields = [int(data[at + 6 + 8 * number : at + 14 + 8 * number], 16) for number in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        assert fields[5] == 0, "a time got in"
        name = data[at + 110 : at + 110 + name_size]
        assert name.endswith(b"\0")
        start = (at + 110 + name_size + 3) & ~3
        if name != b"TRAILER!!!\0":
            yield Member(name[:-1].decode(), mode, data[start : start + size], (fields[9], fields[10]))
        at = (start + size + 3) & ~3


def extract(data: bytes, root: Path) -> None:
    """Put files, folders and links below `root`; device nodes are left out."""
    for member in members(data):
        path = root / member.path
        if stat.S_ISDIR(member.mode):
            path.mkdir(exist_ok=True)
        elif stat.S_ISLNK(member.mode):
            path.unlink(missing_ok=True)
            path.symlink_to(member.data.decode())
        elif stat.S_ISREG(member.mode):
            path.write_bytes(member.data)
            path.chmod(stat.S_IMODE(member.mode))

# SPDX-License-Identifier: GPL-2.0-only
"""Writes cpio archives in the "newc" format that the kernel unpacks as its first root file system.

Own writer because it has to be deterministic (no inode numbers, times or owners of the host get in), needs
no root for device nodes, and can put bytes into the archive that are nowhere on disk. The format is
described in the kernel tree in Documentation/driver-api/early-userspace/buffer-format.rst: a header of
thirteen 8-digit hexadecimal fields after the magic, the name with its NUL, then the data, both padded to a
multiple of 4. Several archives may follow each other.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"

# The kernel reads file sizes as 32 bit.
_MAX_FILE = 0xFFFFFFFF


@dataclass(frozen=True)
class Entry:
    """One thing in an archive. `data` is a file's content or a symbolic link's target."""

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


class Archive:
    """Collects entries, with their parent directories, and writes them in sorted order.

    Adding the same path twice replaces the first entry, except that a directory never replaces anything.
    Raises ValueError for a path that is not absolute and normal.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def __iter__(self) -> Iterator[Entry]:
        """Entries so that each directory comes before what is in it."""
        return iter([self._entries[path] for path in sorted(self._entries)])

    def file(self, path: str, data: bytes, *, executable: bool = False) -> None:
        """A regular file."""
        if len(data) > _MAX_FILE:
            raise ValueError(f"{path}: {len(data)} bytes do not fit a newc archive (4 GiB)")
        self._add(Entry(path, stat.S_IFREG | (0o755 if executable else 0o644), data))

    def directory(self, path: str, mode: int = 0o755) -> None:
        """A directory; one that is there already stays as it is."""
        if path != "/" and path not in self._entries:
            self._add(Entry(path, stat.S_IFDIR | mode))

    def symlink(self, path: str, target: str) -> None:
        """A symbolic link to `target`, taken literally."""
        self._add(Entry(path, stat.S_IFLNK | 0o777, target.encode()))

    def char_device(self, path: str, major: int, minor: int, mode: int = 0o600) -> None:
        """A character device node."""
        self._add(Entry(path, stat.S_IFCHR | mode, device=(major, minor)))

    def write(self, out: BinaryIO) -> int:
        """Write the archive with its trailer; returns the number of bytes, a multiple of 512."""
        written = 0
        for inode, entry in enumerate(self, start=1):
            written += _write_member(out, inode, entry)
        written += _write_member(out, 0, Entry("/" + _TRAILER, 0))
        # Another archive may follow: the kernel skips the zeros between two.
        padding = -written % 512
        out.write(b"\0" * padding)
        return written + padding

    def _add(self, entry: Entry) -> None:
        path = entry.path
        if path == "/" or posixpath.normpath("/" + path.lstrip("/")) != path:
            raise ValueError(f"{path!r} is not an absolute normal path")
        parent = posixpath.dirname(path)
        self.directory(parent)
        if parent != "/" and not stat.S_ISDIR(self._entries[parent].mode):
            raise ValueError(f"{path}: {parent} is not a directory in the archive")
        self._entries[path] = entry


def _write_member(out: BinaryIO, inode: int, entry: Entry) -> int:
    name = entry.path.removeprefix("/").encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    major, minor = entry.device
    # ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, major, minor, len(name), 0)
    head = _MAGIC + b"".join(b"%08X" % field for field in fields) + name
    head += b"\0" * (-len(head) % 4)
    tail = b"\0" * (-len(entry.data) % 4)
    out.write(head)
    out.write(entry.data)
    out.write(tail)
    return len(head) + len(entry.data) + len(tail)

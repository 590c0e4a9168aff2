# SPDX-License-Identifier: GPL-2.0-only
"""Standard output and error, as streams that may lose what is written to them, but never raise.

That a reader went away, that the disk behind a stream is full, or that a locale lacks a character says
nothing about a kernel: no run ends for it. Who has nothing but output asks lost() at the end.
"""

import io
import os
import select
import sys
from typing import Any, TextIO

__all__ = ["install", "lost", "stream"]


class _Losing(io.FileIO):
    """A file that is written as far as it can be."""

    lost: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            while (written := super().write(data)) is None:  # somebody who shares it has it not block
                select.select([], [self], [])
        except OSError as error:
            self.lost = self.lost or error
            return memoryview(data).nbytes  # as if: what is kept in a buffer would fail once more at exit
        return int(written)


def stream(fd: int, like: TextIO | None = None, *, closefd: bool = False) -> TextIO:
    """Return a text stream to a file; encoding and buffering are those of another one. What the encoding does
    not have is escaped."""
    return io.TextIOWrapper(
        io.BufferedWriter(_Losing(fd, "w", closefd=closefd)),
        encoding=getattr(like, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=getattr(like, "line_buffering", True),
        write_through=getattr(like, "write_through", False),
    )


def install() -> None:
    """Put such streams in the place of sys.stdout and sys.stderr. For entry points, before anything else."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        before: TextIO | None = getattr(sys, name)
        if before is None:  # closed by who started us: the next file to be opened would be it
            null = os.open(os.devnull, os.O_WRONLY)
            if null != fd:
                os.dup2(null, fd)
                os.close(null)
        setattr(sys, name, stream(fd, before))


def lost() -> OSError | None:
    """Return why standard output is not whole; None where it is, or nobody called install()."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, _Losing):
        return None
    sys.stdout.flush()
    return raw.lost

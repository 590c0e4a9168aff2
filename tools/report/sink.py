# SPDX-License-Identifier: GPL-2.0-only
"""A text file that may lose what is written to it, but never raises: for output that only helps people."""

import contextlib
import io
from pathlib import Path


class Sink(io.TextIOBase):
    """Appends to a file as far as its disk has room. Raises OSError only when the file cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", errors="replace")

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._file.encoding

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        super().close()

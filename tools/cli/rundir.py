# SPDX-License-Identifier: GPL-2.0-only
"""The directory of a run: runs/<UTC time>-<short id>."""

import errno
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from tools.errors import UserError

DEFAULT_PARENT = "runs"
NEEDED = 32 << 20  # bytes: consoles and records of a whole run, measured, and air


@contextmanager
def new(parent: Path | None) -> Iterator[Path]:
    """Make the directory of a new run under `parent` (default: runs/ in the current directory).

    It is gone again when the block ends without having written anything. Raises UserError naming the
    directory when it cannot be made or written.
    """
    parent = (parent or Path(DEFAULT_PARENT)).resolve()
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = parent / f"{stamp}-{secrets.token_hex(2)}"
    try:
        path.mkdir(parents=True)
        disk = shutil.disk_usage(path)
        if disk.total and disk.free < NEEDED:  # a ramfs, as guests have, tells neither
            path.rmdir()
            raise OSError(errno.ENOSPC, f"{disk.free >> 20} MiB are free, a run needs {NEEDED >> 20}")
    except OSError as error:
        raise UserError(f"cannot write results to {path}: {error.strerror}; give another --output") from error
    try:
        yield path
    finally:
        with suppress(OSError):
            path.rmdir()  # only if empty

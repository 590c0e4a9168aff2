# SPDX-License-Identifier: GPL-2.0-only
"""One QMP command at a time, by QEMU's own library."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qemu.qmp import ExecuteError, QMPClient, QMPError

from tools.guest.qemu import QMP_SOCKET

SECONDS = 2.0


class Refused(Exception):
    """QEMU's description of why it did not do it."""


def execute(folder: Path, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
    """What QEMU returns for a command, in the guest whose folder this is.

    Raises Refused when QEMU says no, OSError when it does not answer within a few seconds.
    """
    try:
        return asyncio.run(asyncio.wait_for(_execute(folder, command, dict(arguments or {})), SECONDS))
    except ExecuteError as error:
        raise Refused(str(error)) from error
    except QMPError as error:
        raise OSError(f"QMP: {error}") from error
    except AssertionError as error:
        # Of the library's connect(), when the connection broke as soon as it stood: what a QEMU that was busy
        # answered to somebody before, who had given up, is no answer to this one.
        raise OSError(f"QMP: the connection for {command} broke") from error
    except (TimeoutError, EOFError) as error:
        raise OSError(f"QMP: no answer to {command} within {SECONDS:.0f} s") from error


async def _execute(folder: Path, command: str, arguments: dict[str, Any]) -> Any:
    client = QMPClient("pnode")
    # By descriptor: the whole path may be longer than a socket's address can hold.
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        await client.connect(f"/proc/self/fd/{handle}/{QMP_SOCKET}")
    finally:
        os.close(handle)
    try:
        return await client.execute(command, arguments)
    finally:
        with contextlib.suppress(QMPError, EOFError, OSError):
            await client.disconnect()

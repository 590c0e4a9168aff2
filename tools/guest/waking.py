# SPDX-License-Identifier: GPL-2.0-only
"""Writes a guest that waits for its worker's host to a file, and wakes one that QEMU has taken from there
(warm.py).
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from tools.guest import console, inquest, qemu, qmp, warm
from tools.guest.slot import Boot

#: A first record says that a guest can be used, this one that all is imported and its worker waits.
WAITING = "waiting"
# The attendant answers in milliseconds on a machine of the usual pace.
_ANSWER_SECONDS = 20.0
_SAVE_SECONDS = 60.0
_LOOK_SECONDS = 0.01
_BANDWIDTH = 1 << 40
# A busy host: QEMU may take seconds to answer, and has two.
_TIMES, _AGAIN_SECONDS = 5, 0.2


class NotWritten(Exception):
    """The state is not in its file."""


def wake(boot: Boot) -> dict[str, Any] | None:
    """Let a guest run that QEMU has taken from its file, and have it measure its pace again; None while QEMU
    is at it. Raises OSError when the guest does not run then."""
    try:
        status = qmp.execute(boot.path, "query-status")["status"]
    except (OSError, qmp.Refused):
        return None  # QEMU does not listen while it loads, and takes a second greeting for a mistake
    try:
        if status == "paused":
            _tell(boot, "cont")
        elif status != "running":
            return None
        return dict(inquest.ask(boot, "pace", _ANSWER_SECONDS))
    except (inquest.Silent, qmp.Refused) as error:
        raise OSError(str(error)) from error


def save(boot: Boot, name: str) -> str | None:
    """Write a guest that waits, which stands still meanwhile, and goes on. None when that did not work: then
    guests boot.

    Raises OSError when the guest does not go on.
    """
    place = warm.folder(name)
    scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=place.parent))
    try:
        try:
            _tell(boot, "stop")
            _write(boot, scratch / warm.MEMORY)
            shutil.copyfile(boot.console, scratch / qemu.CONSOLE)
        finally:
            _tell(boot, "cont")
        with contextlib.suppress(OSError):  # somebody was faster: theirs is as good
            scratch.rename(place)
    except (NotWritten, qmp.Refused):
        return None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    warm.prune(place.parent)
    return str(place) if warm.usable(str(place)) else None


def _write(boot: Boot, file: Path) -> None:
    capabilities = [{"capability": "mapped-ram", "state": True}]
    _tell(boot, "migrate-set-capabilities", {"capabilities": capabilities})
    _tell(boot, "migrate-set-parameters", {"max-bandwidth": _BANDWIDTH})
    _tell(boot, "migrate", {"uri": f"file:{file}"})
    until = time.monotonic() + _SAVE_SECONDS
    while (found := _tell(boot, "query-migrate")).get("status") != "completed":
        if found.get("status") in ("failed", "cancelled") or time.monotonic() > until:
            raise NotWritten(str(found.get("error-desc") or f"not written: {found.get('status')}"))
        time.sleep(_LOOK_SECONDS)


def _tell(boot: Boot, command: str, arguments: dict[str, Any] | None = None) -> Any:
    """qmp.execute(), more than once where QEMU does not answer in time: none of what is told here minds being
    told twice. Raises Refused, and OSError when it never answers."""
    for _ in range(_TIMES - 1):
        with contextlib.suppress(OSError):
            return qmp.execute(boot.path, command, arguments)
        time.sleep(_AGAIN_SECONDS)
    return qmp.execute(boot.path, command, arguments)


def waits(boot: Boot) -> bool:
    """Whether a guest has imported what it needs and its worker waits."""
    return any(record["state"] == WAITING for record in console.records(console.text(boot.console)))

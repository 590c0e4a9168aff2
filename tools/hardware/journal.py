# SPDX-License-Identifier: GPL-2.0-only
"""The note of what a hardware run has taken, in /run/pnode: written before anything is touched, gone when all
is back. One run at a time: its lock is held by the runner, and by every process that its tests have forked.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from helpers import paths
from tools.errors import UserError
from tools.guest.slot import write_atomically
from tools.hardware.settings import Settings

DIRECTORY = Path("/run/pnode")
FILE, LOCK, MENDING = "journal.json", "lock", "restore.lock"
LOG_OF_WATCHDOG = "watchdog.log"


@dataclass(frozen=True)
class Taken:
    """A dax device, the driver it had (None: none), and states of its memory blocks by index."""

    name: str
    driver: str | None
    blocks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Journal:
    """pid: the runner. module: what it loads. run_dir: where its results are."""

    pid: int
    argv: list[str]
    run_dir: str
    module: str
    taken: list[Taken]
    settings: Settings

    def write(self, directory: Path = DIRECTORY) -> None:
        """Raises OSError."""
        write_atomically(directory / FILE, json.dumps(asdict(self)))


def read(directory: Path = DIRECTORY) -> Journal | None:
    """The note of a run that is going on or was not undone; None without one. Raises UserError for a file
    that is none."""
    try:
        data: dict[str, Any] = json.loads((directory / FILE).read_text())
        return Journal(
            data["pid"],
            data["argv"],
            data["run_dir"],
            data["module"],
            [Taken(**one) for one in data["taken"]],
            Settings.of(data["settings"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{directory / FILE} is damaged ({error}); undo by hand what it names, then remove it"
        ) from None


def discard(directory: Path = DIRECTORY) -> None:
    """All is back."""
    with suppress(FileNotFoundError):
        (directory / FILE).unlink()


@contextmanager
def held(name: str, directory: Path = DIRECTORY, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock during the block; False when somebody else does. Forked children hold it, too."""
    directory.mkdir(parents=True, exist_ok=True)
    handle = os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)


def holders(name: str = LOCK, directory: Path = DIRECTORY) -> list[int]:
    """Processes that have the lock's file open, this one left out."""
    wanted, found = str(directory / name), []
    for process in paths.PROC.iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with suppress(OSError):
            if any(os.readlink(one) == wanted for one in (process / "fd").iterdir()):
                found.append(int(process.name))
    return sorted(found)

# SPDX-License-Identifier: GPL-2.0-only
"""Slots on disk: one xdist worker each, with a folder for every guest it had.

    RUN/guests/slot<k>/launch.json       how its guests are started
    RUN/guests/slot<k>/current           link to the latest boot<j>
    RUN/guests/slot<k>/boot<j>/          console.log state.json qemu.cmd qemu.err qemu.pid claim and sockets

All that the pool, the worker wrapper, the watchdog and the report know about a guest they know from here,
so each may die without the others losing anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tools.guest.qemu import CONSOLE

#: Hundreds of times what a whole run prints. A test that floods its console must not fill the disk.
CONSOLE_BYTES = 64 << 20


@dataclass(frozen=True)
class Launch:
    """How the guests of a slot are started; kept as launch.json.

    `deadline` and `first_output` are seconds until the ready record and until the first byte on the console,
    of which a guest that is to live has no more than `console_bytes`. `keep` is the key under which the
    first one's state is kept, empty where that is not done, `warm` the folder of a state to begin with in
    place of a boot (warm.py).
    """

    topology: str
    accel: str
    argv: list[str]
    env: dict[str, str]
    hello: str
    deadline: float
    first_output: float
    console_bytes: int = CONSOLE_BYTES
    keep: str = ""
    warm: str | None = None


@dataclass(frozen=True)
class Boot:
    """One guest's folder."""

    path: Path

    @property
    def console(self) -> Path:
        """The serial console's log."""
        return self.path / CONSOLE

    @property
    def slot(self) -> int:
        """The slot's number."""
        return int(self.path.parent.name.removeprefix("slot"))

    @property
    def number(self) -> int:
        """Counts the guests of the slot, from 0."""
        return int(self.path.name.removeprefix("boot"))

    def state(self) -> dict[str, Any]:
        """What state.json says; empty when there is none."""
        try:
            data = json.loads((self.path / "state.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return data if isinstance(data, dict) else {}

    def update(self, **changes: Any) -> dict[str, Any]:
        """Change keys of state.json, for readers at one stroke. Returns the new state."""
        state = {**self.state(), **changes}
        write_atomically(self.path / "state.json", json.dumps(state, indent=1) + "\n")
        return state

    def claim(self, pid: int) -> bool:
        """Take the guest for this process; False when somebody has it already: a guest serves one worker."""
        try:
            handle = os.open(self.path / "claim", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w") as file:
            file.write(str(pid))
        return True

    def claimed_by(self) -> int | None:
        """The process id in the claim, or None."""
        return self._pid("claim")

    def qemu_pid(self) -> int | None:
        """The process id of this guest's QEMU if it is running, else None (a number used again by others is
        not it).
        """
        pid = self._pid("qemu.pid")
        if pid is None:
            return None
        try:
            # QEMU's working directory is the boot's folder; a zombie has none.
            return pid if os.path.samefile(f"/proc/{pid}/cwd", self.path) else None
        except OSError:
            return None

    def _pid(self, name: str) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int((self.path / name).read_text())
        return None


@dataclass(frozen=True)
class Slot:
    """One worker's folder."""

    run_dir: Path
    index: int
    path: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", self.run_dir.absolute() / "guests" / f"slot{self.index}")

    def launch(self) -> Launch:
        """How to start a guest here. Raises FileNotFoundError when no pool was started."""
        return Launch(**json.loads((self.path / "launch.json").read_text()))

    def set_launch(self, launch: Launch) -> None:
        """Say how guests of this slot are started from now on."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path / "launch.json", json.dumps(asdict(launch), indent=1) + "\n")

    def boots(self) -> list[Boot]:
        """All guests of the slot, oldest first."""
        found = [Boot(path) for path in self.path.glob("boot*") if path.name.removeprefix("boot").isdigit()]
        return sorted(found, key=lambda boot: boot.number)

    def current(self) -> Boot | None:
        """The latest guest."""
        with contextlib.suppress(OSError):
            return Boot(self.path / os.readlink(self.path / "current"))
        return None

    def new_boot(self, information: Mapping[str, Any]) -> Boot:
        """A folder for the next guest, which becomes the current one; `information` goes into its state."""
        number = max((boot.number for boot in self.boots()), default=-1) + 1
        boot = Boot(self.path / f"boot{number}")
        boot.path.mkdir(parents=True)
        boot.update(
            state="booting",
            reason=None,
            slot=self.index,
            boot=number,
            started=time.time(),
            console=str(boot.console),
            **information,
        )
        temporary = self.path / f".current-{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(boot.path.name)
        temporary.replace(self.path / "current")
        return boot


def slots(run_dir: Path) -> list[Slot]:
    """All slots of a run, by number."""
    numbers = [path.name.removeprefix("slot") for path in (run_dir / "guests").glob("slot*")]
    return [Slot(run_dir, number) for number in sorted(int(text) for text in numbers if text.isdigit())]


def write_atomically(path: Path, content: str) -> None:
    """Write a small file so that a reader sees the old or the new one, never a part."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

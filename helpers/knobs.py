# SPDX-License-Identifier: GPL-2.0-only
"""Kernel settings: sysctls and sysfs values, read, set, and put back.

A knob is named by "vm.zone_reclaim_mode" or "numa_balancing"-style dotted sysctl names, by a path
below /sys ("kernel/mm/ksm/run"), or by an absolute path.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers import paths

_CHOSEN = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True)
class Knob:
    """One setting in one file."""

    path: Path

    def exists(self) -> bool:
        return self.path.exists()

    def read(self) -> str:
        """The value; of a choice like "always [madvise] never" the chosen word."""
        text = paths.read_text(self.path).strip()
        chosen = _CHOSEN.search(text)
        return chosen[1] if chosen else text

    def choices(self) -> list[str]:
        """All words of a choice, [] for a plain value."""
        text = paths.read_text(self.path).strip()
        return text.replace("[", "").replace("]", "").split() if _CHOSEN.search(text) else []

    def write(self, value: object) -> None:
        """OSError with the kernel's errno, naming file and value."""
        paths.write_text(self.path, int(value) if isinstance(value, bool) else value)

    def __str__(self) -> str:
        return str(self.path)


def sysctl(name: str) -> Knob:
    """sysctl("vm.swappiness") is /proc/sys/vm/swappiness."""
    return Knob(paths.PROC / "sys" / name.replace(".", "/"))


def sysfs(name: str) -> Knob:
    """sysfs("kernel/mm/ksm/run") is /sys/kernel/mm/ksm/run."""
    return Knob(paths.SYS / name.lstrip("/"))


def knob(name: str | Path | Knob) -> Knob:
    """The knob by any of the three kinds of name."""
    if isinstance(name, Knob):
        return name
    text = str(name)
    if text.startswith("/"):
        return Knob(Path(text))
    return sysfs(text) if "/" in text else sysctl(text)


class Knobs:
    """Settings changed together and put back in reverse order.

    with Knobs() as knobs: knobs.set("vm.swappiness", 0). restore() writes every first value back even
    when one of the writes fails, and then raises the first failure.
    """

    def __init__(self) -> None:
        self._before: dict[Path, str] = {}

    def set(self, name: str | Path | Knob, value: object) -> str:
        """Sets the value and returns the one before."""
        target = knob(name)
        before = target.read()
        target.write(value)
        self._before.setdefault(target.path, before)
        return before

    def set_if_there(self, name: str | Path | Knob, value: object) -> bool:
        """Sets it where the kernel has it; False where not."""
        target = knob(name)
        if not target.exists():
            return False
        self.set(target, value)
        return True

    def restore(self) -> None:
        failures: list[OSError] = []
        for path, before in reversed(self._before.items()):
            try:
                if Knob(path).read() != before:
                    Knob(path).write(before)
            except OSError as error:
                failures.append(error)
        self._before.clear()
        if failures:
            raise failures[0]

    def __enter__(self) -> "Knobs":
        return self

    def __exit__(self, *exc: object) -> None:
        self.restore()


@contextmanager
def setting(name: str | Path | Knob, value: object) -> Iterator[Knob]:
    """One knob for the length of a `with`."""
    with Knobs() as knobs:
        knobs.set(name, value)
        yield knob(name)

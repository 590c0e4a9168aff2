# SPDX-License-Identifier: GPL-2.0-only
"""Memory of the kernel that nobody refers to any more, where the kernel keeps account of it.

Source: Documentation/dev-tools/kmemleak.rst. A suspect is reported only when it is older than five seconds
and did not change between two scans.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers import paths
from helpers.nodes import kernel_thread_names
from helpers.wait import wait_until

__all__ = ["Leak", "by_hand", "forget", "leaks", "parse", "scan_on", "scanning"]

MIN_AGE = 5.5  # seconds; mm/kmemleak.c, MSECS_MIN_AGE, and air
_OBJECT = re.compile(r"unreferenced object (?P<address>\w+) \(size (?P<size>\d+)\):")
_COMM = re.compile(r'\s+comm "(?P<comm>.*)", pid \d+')
_FRAME = re.compile(r"\s+(?:\[<\w+>\] )?(?P<place>\S+\+0x\w+/0x\w+)")


@dataclass(frozen=True)
class Leak:
    """One object: who allocated it, and where."""

    size: int
    comm: str
    backtrace: tuple[str, ...]
    text: str  # as the kernel wrote it

    def __str__(self) -> str:
        place = next((frame for frame in self.backtrace if "alloc" not in frame), "unknown place")
        return f"{self.size} bytes by {self.comm} at {place}"


def _file() -> Path:
    return paths.SYS / "kernel/debug/kmemleak"


def scanning() -> bool:
    """Whether the kernel scans by itself, every ten minutes: then it has a thread for that. Its file does not
    tell."""
    return _file().exists() and "kmemleak" in kernel_thread_names()


def scan_on() -> None:
    """Have the kernel scan by itself again, the first time at once."""
    paths.write_text(_file(), "scan=on")


@contextmanager
def by_hand() -> Iterator[bool]:
    """No scans but those of forget() and leaks() during the block, and as before after it. False where the
    kernel keeps no account: not built in, or turned off at boot or for want of memory."""
    before = scanning()
    try:
        paths.write_text(_file(), "scan=off")
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        if before:
            scan_on()


def forget() -> None:
    """Leave out what is a suspect now; later ones are those of the caller."""
    paths.write_text(_file(), "scan")
    paths.write_text(_file(), "clear")


def leaks() -> list[Leak]:
    """What leaked since forget(). Scans twice, with the time between that an object needs to be a suspect:
    several seconds, minutes on an emulated machine."""
    paths.write_text(_file(), "scan")
    since = time.monotonic()
    wait_until(lambda: time.monotonic() - since >= MIN_AGE, MIN_AGE * 2, "objects of an age to be suspects")
    paths.write_text(_file(), "scan")
    return parse(paths.read_text(_file()))


def parse(text: str) -> list[Leak]:
    """Leaks in the words of the kernel's file."""
    found: list[Leak] = []
    for block in re.split(r"(?m)^(?=unreferenced object )", text):
        head = _OBJECT.match(block)
        if head is None:
            continue
        comm = _COMM.search(block)
        frames = tuple(match["place"] for match in _FRAME.finditer(block.partition("backtrace")[2]))
        found.append(Leak(int(head["size"]), comm["comm"] if comm else "?", frames, block.rstrip()))
    return found

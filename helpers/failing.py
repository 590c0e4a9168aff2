# SPDX-License-Identifier: GPL-2.0-only
"""Allocations of the kernel that fail on purpose: the n-th of one system call.

/proc/thread-self/fail-nth counts the slab and page allocations of the calling thread and refuses the n-th, so
that n = 1, 2, 3... takes a call through all of its error paths, one by one. Other tasks are not touched.
Source: Documentation/fault-injection/fault-injection.rst; kernel options FAILSLAB, FAIL_PAGE_ALLOC and
FAULT_INJECTION_DEBUG_FS.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers import kmsg, paths
from helpers.knobs import Knobs, setting
from helpers.outcome import outcome

__all__ = [
    "SECTIONS_WARNING",
    "Attempt",
    "Failing",
    "available",
    "by_function",
    "eject",
    "failing",
    "has_function",
    "injected",
    "sparing",
    "stack_filter",
    "symbol_range",
]

_NTH = Path("/proc/thread-self/fail-nth")
_DEBUGFS = Path("/sys/kernel/debug")
#: By default only allocations that cannot sleep are refused, and single pages never.
_SETTINGS = (
    ("failslab/ignore-gfp-wait", "N"),
    ("fail_page_alloc/ignore-gfp-wait", "N"),
    ("fail_page_alloc/ignore-gfp-highmem", "N"),
    ("fail_page_alloc/min-order", 0),
    # No stack of each refusal in the log.
    ("failslab/verbose", 0),
    ("fail_page_alloc/verbose", 0),
)
#: x86 warns by itself, once, when the sections of a range cannot be made, whoever adds it.
SECTIONS_WARNING = kmsg.warning_at(r"init_64\.c") + r"add_pages\+"
_SITES = ("failslab", "fail_page_alloc")
_DEPTH = 32


def available() -> bool:
    """Whether this kernel can refuse allocations, and lets root say which."""
    return _NTH.exists() and all((_DEBUGFS / name).exists() for name, _value in _SETTINGS)


@dataclass(frozen=True)
class Attempt:
    """One call with its n-th allocation refused. `hit`: it came to an n-th at all."""

    nth: int
    outcome: str
    hit: bool


class Failing:
    """Calls with an allocation that fails, see failing()."""

    def once(self, nth: int, call: Callable[[], object]) -> Attempt:
        """The call with its n-th allocation refused. Errors other than OSError go through."""
        fd = os.open(_NTH, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.write(fd, b"%d" % nth)
            try:
                seen = outcome(call)
            finally:
                left = int(os.pread(fd, 16, 0))
                os.write(fd, b"0")
        finally:
            os.close(fd)
        return Attempt(nth, seen, left == 0)

    def each(self, call: Callable[[], object], most: int) -> Iterator[Attempt]:
        """n = 1, 2, 3... until the call does without an n-th, which is not in the list.

        RuntimeError when it goes on for more than `most`.
        """
        for nth in range(1, most + 1):
            attempt = self.once(nth, call)
            if not attempt.hit:
                return
            yield attempt
        raise RuntimeError(f"a call that allocates more than {most} times")


@contextmanager
def failing() -> Iterator[Failing]:
    """Refusals as systematic as they can be, for the length of the block."""
    with Knobs() as knobs:
        for name, value in _SETTINGS:
            knobs.set(_DEBUGFS / name, value)
        yield Failing()


@contextmanager
def by_function(name: str) -> Iterator[bool]:
    """Calls of a function count, too, and the n-th of all fails there and then (FAIL_FUNCTION, see
    /sys/kernel/debug/error_injection/list), for the length of the block. False where the kernel cannot."""
    if not _inject().exists():
        yield False
        return
    with setting(_DEBUGFS / "fail_function/verbose", 0):
        paths.write_text(_inject(), name)
        try:
            yield True
        finally:
            eject(name)


def injected() -> list[str]:
    """Functions whose calls count now, whoever said so; [] where the kernel cannot."""
    try:
        return paths.read_text(_inject()).split()
    except OSError:
        return []


def eject(name: str) -> None:
    """Calls of a function count no more. OSError: ENOENT when they did not."""
    paths.write_text(_inject(), f"!{name}")


def _inject() -> Path:
    return paths.SYS / "kernel/debug/fail_function/inject"


def stack_filter() -> bool:
    """Whether refusals can be kept out of a function (FAULT_INJECTION_STACKTRACE_FILTER)."""
    return all((_DEBUGFS / site / "reject-start").exists() for site in _SITES)


def symbol_range(name: str) -> tuple[int, int]:
    """Addresses of a function of the kernel proper: first, and first behind it. LookupError without it."""
    table = sorted(
        (int(words[0], 16), words[2])
        for words in (line.split() for line in paths.read_text(Path("/proc/kallsyms")).splitlines())
        if len(words) == 3 and words[1] in "tTwW"
    )
    start = next((address for address, symbol in table if symbol == name), None)
    if start is None:
        raise LookupError(f"/proc/kallsyms has no function {name}")
    return start, next(address for address, _symbol in table if address > start)


def has_function(name: str) -> bool:
    """Whether the kernel proper has a function of that name."""
    try:
        symbol_range(name)
    except LookupError:
        return False
    return True


@contextmanager
def sparing(name: str) -> Iterator[None]:
    """No refusals inside of the function `name` and what it calls, for the length of the block."""
    first, behind = symbol_range(name)
    with Knobs() as knobs:
        for site in _SITES:
            knobs.set(_DEBUGFS / site / "stacktrace-depth", _DEPTH)
            knobs.set(_DEBUGFS / site / "reject-start", f"{first:#x}")
            knobs.set(_DEBUGFS / site / "reject-end", f"{behind:#x}")
        yield

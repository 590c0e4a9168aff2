# SPDX-License-Identifier: GPL-2.0-only
"""Everything that tests may change on a machine, as it is now, and back to what it was.

Restoring compares with a state from before instead of undoing steps: it does not depend on how far anybody
came, may be repeated, and needs no word of the process that changed things.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from helpers import failing, kmemleak, paths, syscalls
from helpers.cgroup_mounts import find_v2
from helpers.knobs import Knob
from helpers.memory import PAGE_SIZE
from helpers.memory_blocks import memory_blocks
from helpers.nodes import meminfo
from helpers.swap import SWAP_FLAG_PREFER, swaps

#: Writable files below these hold settings; relative to / .
_TREES = (
    "proc/sys/vm",
    "sys/kernel/mm",
    "sys/kernel/debug/failslab",
    "sys/kernel/debug/fail_page_alloc",
    "sys/kernel/debug/fail_function",
    "sys/kernel/debug/sched/numa_balancing",
    "sys/devices/system/memory",
)
_SINGLE = (
    "proc/sys/kernel/core_pattern",
    "proc/sys/kernel/core_uses_pid",
    "proc/sys/kernel/numa_balancing",
    "proc/sys/kernel/panic_on_warn",
    "proc/sys/kernel/panic_on_oops",
    "proc/sys/kernel/sched_schedstats",
    "sys/kernel/rcu_expedited",
    "sys/kernel/tracing/tracing_on",
)
_PER_NODE = "sys/devices/system/node/node*/hugepages/*/nr_hugepages"
#: Not settings: writing them does something, or they make directories.
_ACTIONS = {
    "drop_caches", "compact_memory", "stat_refresh", "soft_offline_page", "hard_offline_page", "probe",
    "state", "online", "nr_hugepages_mempolicy", "inject",
}  # fmt: skip
_NOT = ("damon/admin", "/memory/memory", "/power/")
_DAMON = "sys/kernel/mm/damon/admin/kdamonds"
#: What tests name after themselves: cgroups and trace instances.
OWN = "pnode-*"
_TRACES = ("kernel/tracing/instances", "kernel/debug/tracing/instances")
_UNPOISON = Path("/sys/kernel/debug/hwpoison/unpoison-pfn")
_HWPOISON = 19  # bit of /proc/kpageflags


def _path(name: str) -> Path:
    first, _, rest = name.partition("/")
    return (paths.PROC if first == "proc" else paths.SYS) / rest


def _files() -> Iterator[Path]:
    for tree in _TREES:
        for path in sorted(_path(tree).rglob("*")):
            if path.name not in _ACTIONS and not any(part in str(path) for part in _NOT):
                yield path
    yield from (_path(name) for name in _SINGLE)
    yield from sorted(paths.SYS.glob(_PER_NODE.removeprefix("sys/")))


def knobs() -> dict[str, str]:
    """Values by path, of settings that can be read and written."""
    found = {}
    for path in _files():
        with suppress(OSError, ValueError):
            if path.is_file() and path.stat().st_mode & 0o600 == 0o600:
                found[str(path)] = Knob(path).read()
    return found


@dataclass(frozen=True)
class Settings:
    """knobs: value by path. blocks: state and zones by memory block. swaps: path and priority. groups:
    cgroups that look like those of tests. damon: number of kdamonds. corrupted: bytes marked as poisoned.
    traces: trace instances that look like those of tests. injected: functions that fail on purpose.
    scanning: whether kmemleak scans by itself."""

    knobs: dict[str, str]
    blocks: dict[str, tuple[str, str]]
    swaps: list[tuple[str, int]]
    groups: list[str]
    damon: str | None
    corrupted: int
    # With defaults: a journal of an older suite lacks them.
    traces: list[str] = field(default_factory=list)
    injected: list[str] = field(default_factory=list)
    scanning: bool = False

    @classmethod
    def now(cls) -> Self:
        """As it is. Raises OSError."""
        blocks = {str(one.index): (one.state, " ".join(one.valid_zones)) for one in memory_blocks()}
        areas = [(area.path, area.priority) for area in swaps()]
        return cls(
            knobs(),
            blocks,
            areas,
            [str(path) for path in _groups()],
            _damon(),
            _corrupted(),
            [str(path) for path in _traces()],
            failing.injected(),
            kmemleak.scanning(),
        )

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """From JSON."""
        blocks = {name: (state, zones) for name, (state, zones) in data["blocks"].items()}
        areas = [(path, priority) for path, priority in data["swaps"]]
        return cls(**data | {"blocks": blocks, "swaps": areas})

    def json(self) -> dict[str, Any]:
        return asdict(self)


def _groups() -> list[Path]:
    root = find_v2()
    return sorted(root.rglob(OWN), reverse=True) if root else []


def _traces() -> list[Path]:
    # The second place is the first one once more, mounted when it is looked at.
    first = next((path for name in _TRACES if (path := paths.SYS / name).is_dir()), None)
    return sorted(first.glob(OWN)) if first else []


def _damon() -> str | None:
    path = _path(_DAMON) / "nr_kdamonds"
    return Knob(path).read() if path.exists() else None


def _corrupted() -> int:
    return meminfo().get("HardwareCorrupted", 0)


Told = Callable[[str], None]


def restore(before: Settings, told: Told) -> list[str]:
    """Put back what differs; `told` gets a line for each thing. Returns what could not be put back."""
    wrong: list[str] = []

    def attempt(what: str, action: Callable[[], object]) -> None:
        try:
            action()
            told(what)
        except OSError as error:
            wrong.append(f"{what}: {error.strerror or error}")

    _stop_damon(before, attempt)
    _heal(before, attempt, wrong)
    _restore_blocks(before, attempt)
    _restore_swap(before, attempt)
    for path in _groups():
        if str(path) not in before.groups:
            attempt(f"cgroup {path.name} removed", path.rmdir)
    for path in _traces():
        if str(path) not in before.traces:
            attempt(f"trace instance {path.name} removed", path.rmdir)
    for name in failing.injected():
        if name not in before.injected:
            attempt(f"{name} fails no more", lambda name=name: failing.eject(name))  # type: ignore[misc]
    if before.scanning and not kmemleak.scanning():
        attempt("kmemleak scans", kmemleak.scan_on)
    # Twice: some settings follow others (ratio and bytes).
    for _round in range(2):
        for name, value in before.knobs.items():
            knob = Knob(Path(name))
            with suppress(FileNotFoundError):
                if knob.read() != value:
                    attempt(f"{name} = {value}", lambda knob=knob, value=value: knob.write(value or "\n"))  # type: ignore[misc]
    return list(dict.fromkeys(wrong))


def _stop_damon(before: Settings, attempt: Callable[[str, Callable[[], object]], None]) -> None:
    if before.damon is None or _damon() == before.damon:
        return
    for state in sorted(_path(_DAMON).glob("*/state")):
        with suppress(OSError):
            Knob(state).write("off")
    attempt(f"kdamonds = {before.damon}", lambda: Knob(_path(_DAMON) / "nr_kdamonds").write(before.damon))


def _heal(before: Settings, attempt: Callable[[str, Callable[[], object]], None], wrong: list[str]) -> None:
    """Frames that a test has marked as poisoned are as good as ever. Which they are is only looked for, page
    by page, where there are more than before; real ones from before cannot be told from them."""
    more = _corrupted() - before.corrupted
    if more <= 0:
        return
    if before.corrupted or not _UNPOISON.exists():
        wrong.append(f"{more >> 10} kB were marked as poisoned meanwhile; only a reboot gives them back")
        return
    for frame in poisoned():
        attempt(f"frame {frame:#x} healed", lambda frame=frame: Knob(_UNPOISON).write(hex(frame)))  # type: ignore[misc]


def poisoned() -> Iterator[int]:
    """Frames that /proc/kpageflags shows as poisoned, of all memory blocks."""
    with open(paths.PROC / "kpageflags", "rb", buffering=0) as flags:
        for block in memory_blocks():
            first, count = block.start // PAGE_SIZE, block.size // PAGE_SIZE
            flags.seek(first * 8)
            for index, (word,) in enumerate(struct.iter_unpack("=Q", flags.read(count * 8))):
                if word >> _HWPOISON & 1:
                    yield first + index


def _restore_blocks(before: Settings, attempt: Callable[[str, Callable[[], object]], None]) -> None:
    for block in memory_blocks():
        was, zones = before.blocks.get(str(block.index), (block.state, ""))
        if block.state == was:
            continue
        kind = "offline" if was == "offline" else "online_movable" if zones == "Movable" else "online_kernel"
        attempt(
            f"memory{block.index} {was}",
            block.offline if kind == "offline" else lambda block=block, kind=kind: block.online(kind),  # type: ignore[misc]
        )


def _restore_swap(before: Settings, attempt: Callable[[str, Callable[[], object]], None]) -> None:
    now = {area.path for area in swaps()}
    for path in sorted(now - {path for path, _ in before.swaps}):
        attempt(f"swap off {path}", lambda path=path: syscalls.swapoff(path))  # type: ignore[misc]
    for path, priority in before.swaps:
        if path not in now:
            flags = SWAP_FLAG_PREFER | priority if priority >= 0 else 0
            attempt(f"swap on {path}", lambda path=path, flags=flags: syscalls.swapon(path, flags))  # type: ignore[misc]

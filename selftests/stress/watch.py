# SPDX-License-Identifier: GPL-2.0-only
"""What is looked at while a scene plays and when it is over: workers, and private nodes frame by frame."""

import json
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from helpers import nodes
from helpers.memory import PAGE_SIZE
from helpers.nodes import Node
from helpers.testmod import Callback, TestModule

__all__ = ["PROPERTY", "Account", "Sampler", "apart", "bad_frames", "demotions", "strangers"]

#: Name of the user property with the samples; its value is JSON, see tools/report/README.md.
PROPERTY = "workers"
#: Bits of /proc/kpageflags (include/uapi/linux/kernel-page-flags.h): of slab or page table, and bad.
_KERNEL, _HWPOISON = 1 << 7 | 1 << 26, 1 << 19


def _words(path: str, first: int, count: int) -> Sequence[int]:
    with open(path, "rb") as file:
        file.seek(first * 8)
        return memoryview(file.read(count * 8)).cast("Q")


def strangers(nids: Iterable[int], group: Path) -> list[str]:
    """Frames of private nodes that are not of the actors: charged to another cgroup than theirs, or with an
    object of the kernel in them. Who maps them is looked at by mapped.py."""
    mine, wrong = {0, group.stat().st_ino}, []
    for nid in nids:
        with suppress(OSError):  # it went meanwhile
            for block in Node(nid).memory_blocks():
                first, count = block.start // PAGE_SIZE, block.size // PAGE_SIZE
                owners = _words("/proc/kpagecgroup", first, count)
                for owner in set(owners) - mine:
                    frame = first + list(owners).index(owner)
                    wrong.append(
                        f"frame {frame:#x} of node {nid} is of cgroup inode {owner}, not of the actors"
                    )
                flags = _words("/proc/kpageflags", first, count)
                for word in (word for word in set(flags) if word & _KERNEL):
                    frame = first + list(flags).index(word)
                    wrong.append(
                        f"frame {frame:#x} of node {nid} has an object of the kernel, flags {word:#x}"
                    )
    return wrong


def demotions() -> int:
    """Pages that were demoted since boot."""
    return sum(count for name, count in nodes.vmstat().items() if name.startswith("pgdemote"))


def bad_frames(nid: int) -> list[int]:
    """Frames of a node that are marked as bad."""
    found = []
    for block in Node(nid).memory_blocks():
        first = block.start // PAGE_SIZE
        flags = _words("/proc/kpageflags", first, block.size // PAGE_SIZE)
        found += [first + index for index, word in enumerate(flags) if word & _HWPOISON]
    return found


def apart(nids: Iterable[int]) -> bool:
    """Whether these nodes have all of ZONE_MOVABLE. Where hotplug or `movablecore=` has put ordinary memory
    there, the kernel does not count the pages of theirs apart."""
    return not any(
        zone.name == "Movable" and zone.managed and zone.nid not in nids for zone in nodes.all_zones()
    )


@dataclass
class Account:
    """Pages that came to private nodes and went, between two moments at rest: by the kernel's counters, and
    by what the driver was told.

    Where only private memory is in ZONE_MOVABLE, pgalloc_movable counts its pages, and nothing else: see
    apart().
    """

    module: TestModule
    nids: Sequence[int]
    allocated: int = 0

    def open(self) -> None:
        for nid in self.nids:
            self.module.counters(nid, reset=True)
        self.allocated = nodes.vmstat()["pgalloc_movable"]

    def close(self) -> str | None:
        """What is wrong with it: pages whose driver was not told that they are free, or was told twice."""
        came = nodes.vmstat()["pgalloc_movable"] - self.allocated
        went = sum(self.module.counters(nid).pages[Callback.FREE_FOLIO] for nid in self.nids)
        if came == went:
            return None
        return f"{came} pages of private nodes were allocated, and free_folio was told of {went}"


@dataclass
class Sampler:
    """Memory, CPU and children of each worker, over the time of a scene."""

    pids: Sequence[int]
    names: Sequence[str]
    began: float = field(default_factory=time.monotonic)
    rows: list[list[object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._seen: dict[int, float] = {}
        self._last = self.began
        self.take()
        self.rows.clear()  # of that one only what has been used so far counts

    def take(self) -> None:
        """One sample: [seconds, [rss in bytes, CPU in percent, children], ... by worker]."""
        now = time.monotonic()
        passed, self._last = max(now - self._last, 1e-3), now
        row: list[object] = [round(now - self.began, 2)]
        for pid in self.pids:
            row.append(self._one(pid, passed))
        self.rows.append(row)

    def _one(self, pid: int, passed: float) -> list[float]:
        rss = cpu = 0.0
        count = 0
        with suppress(psutil.Error):
            worker = psutil.Process(pid)
            for process in (worker, *worker.children(recursive=True)):
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    spent = times.user + times.system
                    cpu += max(spent - self._seen.get(process.pid, 0.0), 0.0)
                    self._seen[process.pid] = spent
                    rss += process.memory_info().rss
                    count += process.pid != pid
        return [int(rss), round(100 * cpu / passed), count]

    def property(self, scene: str) -> tuple[str, str]:
        """For the reports on the host."""
        told = {"scene": scene, "cpus": os.cpu_count(), "workers": list(self.names), "samples": self.rows}
        return PROPERTY, json.dumps(told, separators=(",", ":"))

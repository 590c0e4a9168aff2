# SPDX-License-Identifier: GPL-2.0-only
"""/proc/<pid>/smaps: what the kernel says about a task's mappings, in bytes."""

from collections.abc import Iterator

from helpers import paths


def smaps(pid: int, low: int = 0, high: int = 1 << 64) -> Iterator[tuple[int, int, dict[str, int]]]:
    """(start, end, bytes by field) of each VMA that overlaps low..high, from /proc/<pid>/smaps."""
    inside = False
    start = end = 0
    fields: dict[str, int] = {}
    with (paths.PROC / str(pid) / "smaps").open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            key, _, rest = line.partition(" ")
            if not key.endswith(":"):
                if inside:
                    yield start, end, fields
                start, end = (int(part, 16) for part in key.split("-"))
                inside = start < high and end > low
                fields = {}
            elif inside and rest.rstrip().endswith(" kB"):
                fields[key[:-1]] = int(rest.split()[0]) * 1024
    if inside:
        yield start, end, fields

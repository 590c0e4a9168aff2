# SPDX-License-Identifier: GPL-2.0-only
"""/proc/<pid>/smaps: what the kernel says about a task's mappings, in bytes."""

import re
from collections.abc import Iterator

from helpers import paths

_HEAD = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) .*$", re.MULTILINE)
_SIZE = re.compile(r"^(\w+): +(\d+) kB$", re.MULTILINE)


def smaps(pid: int, low: int = 0, high: int = 1 << 64) -> Iterator[tuple[int, int, dict[str, int]]]:
    """(start, end, bytes by field) of each VMA that overlaps low..high, from /proc/<pid>/smaps."""
    text = paths.read_text(paths.PROC / str(pid) / "smaps")
    heads = list(_HEAD.finditer(text))
    for number, head in enumerate(heads):
        start, end = int(head[1], 16), int(head[2], 16)
        if start < high and end > low:
            last = heads[number + 1].start() if number + 1 < len(heads) else len(text)
            yield start, end, {name: int(size) * 1024 for name, size in _SIZE.findall(text, head.end(), last)}

# SPDX-License-Identifier: GPL-2.0-only
"""What /proc/<pid>/numa_maps says of a policy."""

import re
from pathlib import Path

_POLICY = re.compile(r"weighted \S+|prefer \(many\)\S*|\S+")


def numa_maps(addr: int, pid: int | str = "self") -> str:
    """What numa_maps says of the range at `addr`, policy first."""
    lines = Path(f"/proc/{pid}/numa_maps").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{addr:x} "))
    return line.partition(" ")[2]


def policy(line: str) -> str:
    """The policy that such a line begins with, nodes included: "weighted interleave=static:0,2"."""
    found = _POLICY.match(line)
    return found[0] if found else ""


def policies(pid: int | str) -> set[str]:
    """The policies, as text, of all ranges of a process."""
    return {line.split()[1] for line in Path(f"/proc/{pid}/numa_maps").read_text().splitlines()}

# SPDX-License-Identifier: GPL-2.0-only
"""Runs programs of others that test a kernel, and counts what they tell."""

import os
import re
import subprocess
import time
from typing import Any

#: In TAP, one behaviour each; also those of a subtest, which are indented.
_RESULT = re.compile(r"^(?:# )?\s*(not )?ok \d+\b(.*)$", re.M)
#: What memory-hotplug/mem-on-off-test.sh says of each memory block, and of one that would not go offline.
_BLOCK = re.compile(r"^(?:offline->online|online->offline) memory\d+\b", re.M)
_REFUSED = re.compile(r"^-> Failure$", re.M)
#: Seconds for a program.
DEADLINE = 60.0


def run(programs: list[str], count: int) -> list[dict[str, Any]]:
    """{"name", "passed", "failed", "skipped", "status", "seconds": [by round]} for each program, all of them
    in each round; the first round is not counted."""
    found: dict[str, dict[str, Any]] = {}
    for turn in range(count + 1):
        for program in programs:
            os.chmod(program, 0o755)
            began = time.monotonic()
            done = subprocess.run(
                ["bash", program] if program.endswith(".sh") else [program],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                cwd="/dev/shm",
            )
            took = time.monotonic() - began
            one = found.setdefault(program, {"name": os.path.basename(program), "seconds": []})
            one |= {**counted(done.stdout), "status": done.returncode}
            if turn:
                one["seconds"].append(took)
    return list(found.values())


def counted(output: str) -> dict[str, int]:
    """Results in the output, by what they are."""
    failed = len(_REFUSED.findall(output))
    total = len(_BLOCK.findall(output))
    skipped = 0
    for result in _RESULT.finditer(output):
        total += 1
        if "# SKIP" in result[2]:
            skipped += 1
        elif result[1]:
            failed += 1
    return {"passed": total - failed - skipped, "failed": failed, "skipped": skipped}

# SPDX-License-Identifier: GPL-2.0-only
"""One tracepoint in an own trace instance: nobody else's buffer is touched. Source:
Documentation/trace/ftrace.rst."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers import syscalls

PLACES = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
_FIELDS = re.compile(r"(\w+)=(\S+)")


def tracefs() -> Path:
    """Where tracefs is; mounted at its usual place if need be. OSError when the kernel has none."""
    for place in PLACES:
        if (place / "events").is_dir():
            return place
    syscalls.mount("tracefs", PLACES[0], "tracefs")
    return PLACES[0]


class Trace:
    """A trace instance with one event on."""

    def __init__(self, instance: Path) -> None:
        self._instance = instance

    def lines(self) -> list[str]:
        """What was recorded so far, oldest first, without the header."""
        text = (self._instance / "trace").read_text()
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    def records(self) -> list[dict[str, str]]:
        """The fields of each record, oldest first."""
        return [dict(_FIELDS.findall(line)) for line in self.lines()]

    def by_pfn(self) -> dict[int, dict[str, str]]:
        """The fields of each mm_page_alloc record by its pfn; the last record of a pfn wins."""
        return {int(record["pfn"], 0): record for record in self.records() if "pfn" in record}


@contextmanager
def recording(event: str, pid: int | None = None) -> Iterator[Trace]:
    """Record `event` ("kmem/mm_page_alloc") of one task (default: this one; 0: of all) during the block."""
    instance = tracefs() / "instances" / f"pnode-{os.getpid()}"
    instance.mkdir()
    try:
        directory = instance / "events" / event
        if pid != 0:
            (directory / "filter").write_text(f"common_pid == {pid or os.getpid()}")
        (directory / "enable").write_text("1")
        try:
            yield Trace(instance)
        finally:
            (directory / "enable").write_text("0")
    finally:
        instance.rmdir()

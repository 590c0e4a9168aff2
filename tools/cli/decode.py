# SPDX-License-Identifier: GPL-2.0-only
"""At the end of a run: file and line for the stacks that its summary shows, where the kernel's vmlinux is.

Before the reports, since those are made from the record alone.
"""

from tools.cli.subject import Subject
from tools.kernel.symbols import Vmlinux
from tools.report import RunLog
from tools.report.complaints import complaints

__all__ = ["decode"]

#: Splats that are looked at, and seconds for all of them.
MOST, SECONDS = 50, 30.0


def decode(log: RunLog, kernel: Subject) -> None:
    """Write a `decoded` event for each splat that nobody allows, whose lines can be found out in time."""
    done = {event["digest"] for event in log.events if event["event"] == "decoded"}
    found = [
        one for one in complaints(log.events) if one.allowed is None and one.text and one.digest not in done
    ][:MOST]
    if not found or kernel.build_dir is None:
        return
    vmlinux = Vmlinux(kernel.build_dir, SECONDS)
    if not vmlinux.is_of(kernel.release, kernel.version):
        return
    for one, text in zip(found, vmlinux.annotate([one.text for one in found]), strict=True):
        if text != one.text:
            log.write("decoded", digest=one.digest, text=text)

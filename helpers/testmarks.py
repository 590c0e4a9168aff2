# SPDX-License-Identifier: GPL-2.0-only
"""Lines in the kernel log that say where a test begins and ends: with them a console can be cut by test,
also that of a guest that died.

    pnode-test: start selftests/isolation/test_gate.py::test_full[2]
    pnode-test: end
"""

import re
import zlib

__all__ = ["END", "LEVEL", "name_of", "start_of", "started_by"]

_PREFIX = "pnode-test: "
START, END = _PREFIX + "start ", _PREFIX + "end"
#: On every console that shows more than errors.
LEVEL = 5
#: Bytes of a name: a record of /dev/kmsg holds less than 1024 of them.
MOST = 880
_START = re.compile(re.escape(START) + r"(?P<name>\S.*?)\s*$")


def name_of(nodeid: str) -> str:
    """The test's name as the log has it: printable ASCII, cut where it is too long, and then with a checksum
    of the whole, so that two such tests stay apart."""
    plain = "".join(char if " " <= char <= "~" else "?" for char in nodeid)
    if len(plain) <= MOST:
        return plain
    return f"{plain[: MOST - 9]}~{zlib.crc32(nodeid.encode('utf-8', 'replace')):08x}"


def start_of(nodeid: str) -> str:
    """The line that begins a test."""
    return START + name_of(nodeid)


def started_by(line: str) -> str | None:
    """The test's name if this line of a console begins one. There may be anything before the mark: a time
    stamp, or a line of a program that was cut short."""
    found = _START.search(line)
    return found["name"] if found else None

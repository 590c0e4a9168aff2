# SPDX-License-Identifier: GPL-2.0-only
"""What execnet starts instead of a Python: ssh to the machine of a slot, and Python there.

python far.py --slot K --run-dir DIR PYTHON-ARGUMENTS...

execnet has ssh gateways itself, but with them pytest-xdist copies pytest to the other machine, and wants the
tests below what it copies; this suite is there already. The standard library is enough.
"""

import json
import os
import select
import shlex
import sys
from pathlib import Path
from typing import NoReturn

BOOT_ID = "/proc/sys/kernel/random/boot_id"
ALIVE = "its lease has ended: the machine is gone, or was rebooted"


def folder(run_dir: Path, slot: int) -> Path:
    """Where a slot's machine is described: command.json, and pid of what runs."""
    return run_dir / "machines" / f"slot{slot}"


def ended(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has asked for its status yet."""
    try:
        return bool(select.select([os.pidfd_open(pid)], [], [], 0)[0])
    except ProcessLookupError:
        return True


def main(argv: list[str]) -> NoReturn:
    """Become ssh. A machine whose lease has ended is not asked again: it lacks the test module."""
    home = folder(Path(argv[3]), int(argv[1]))
    told = json.loads((home / "command.json").read_text())
    if ended(told["lease"]):
        sys.exit(f"{told['host']}: {ALIVE}")
    (home / "pid").write_text(str(os.getpid()))
    words = [*told["python"], *argv[4:]]
    same = f'[ "$(cat {BOOT_ID})" = {told["boot_id"]} ] || exit 1'
    ssh = [*told["ssh"], f"{same}; cd {shlex.quote(told['directory'])} && exec env {shlex.join(words)}"]
    os.execvp(ssh[0], ssh)


if __name__ == "__main__":
    main(sys.argv[1:])

# SPDX-License-Identifier: GPL-2.0-only
"""Run by tools/pnode in the virtual environment, as a file: puts the repository on sys.path."""

import signal
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def status() -> int:
    """Return the exit status. What cannot be imported is no verdict, which Python's own status 1 would be."""
    try:
        from tools import output

        output.install()
        from tools.cli.main import main
    except Exception:
        traceback.print_exc()
        return 255 if sys.argv[1:2] == ["bisect"] and "--step" in sys.argv else 2  # exits.py says why
    return main(sys.argv[1:])


if __name__ == "__main__":
    try:
        code = status()
    finally:
        # What has ended keeps its status: the interpreter, which takes a while to go, gives them back to the
        # kernel, and one more would kill it.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    sys.exit(code)

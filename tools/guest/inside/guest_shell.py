# SPDX-License-Identifier: GPL-2.0-only
"""`pnode shell`: an interactive Python in a guest, with the helpers imported and a private node plugged."""

from __future__ import annotations

import code
import contextlib
import fcntl
import importlib
import os
import pkgutil
import struct
import sys
import termios
import traceback
from typing import Any

CONSOLE = "/dev/ttyS0"


def shell(terminal: str, record: dict[str, Any]) -> None:
    """Talk on the serial console until end of file. `terminal`: LINESxCOLUMNS,TERM of the host's."""
    size, _, kind = terminal.partition(",")
    lines, _, columns = size.partition("x")
    _own_terminal(int(lines or 24), int(columns or 80))
    os.environ["TERM"] = kind or "vt100"
    os.chdir(sys.path[0])
    with contextlib.ExitStack() as stack:
        names = _names(stack)
        with contextlib.suppress(ImportError):
            import readline
            import rlcompleter

            readline.set_completer(rlcompleter.Completer(names).complete)
            readline.parse_and_bind("tab: complete")
        print(f"\nkernel {record['release']}, dialect {record['dialect']}, memory on {record['has_memory']}")
        print("Names: " + " ".join(sorted(name for name in names if not name.startswith("_"))))
        print("Ctrl-D ends the guest, Ctrl-A x kills it.")
        code.interact(banner="", local=names, exitmsg="")


def _own_terminal(lines: int, columns: int) -> None:
    """Make the serial console the controlling terminal and standard input, output and error."""
    os.setsid()
    console = os.open(CONSOLE, os.O_RDWR)
    fcntl.ioctl(console, termios.TIOCSCTTY, 0)
    fcntl.ioctl(console, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    for standard in (0, 1, 2):
        os.dup2(console, standard)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def _names(stack: contextlib.ExitStack) -> dict[str, Any]:
    """What the person at the keyboard finds: the helper modules, the test module as `mod`, the plugged node
    as `nid`.

    What does not work is printed and left out: a shell is wanted most when something is broken.
    """
    names: dict[str, Any] = {"__name__": "__console__", "os": os}
    try:
        import helpers

        for module in pkgutil.iter_modules(helpers.__path__):
            names[module.name] = importlib.import_module(f"helpers.{module.name}")
    except Exception:
        traceback.print_exc()
    try:
        from fixtures.ranges import claimed
        from helpers.testmod.client import TestModule

        mod = names["mod"] = stack.enter_context(TestModule.open())
        extents = names["ranges"] = stack.enter_context(claimed())
        nid, start, size = extents[0]
        mod.plug(nid, start, size)
        names["nid"] = nid
        print(f"plugged: private node {nid}, {size >> 20} MiB at {start:#x}, no services open")
    except Exception as error:
        print(f"no private node plugged: {error!r}")
    return names

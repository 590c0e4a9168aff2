# SPDX-License-Identifier: GPL-2.0-only
"""The guest's worker, from a fork of its first process to execnet's main loop.

All that does not depend on the host is done before it waits for one: from there on guests begin that do not
boot (tools/guest/warm.py).
"""

import contextlib
import fcntl
import gc
import importlib.util
import json
import os
import random
import struct
import sys
import time
import tokenize
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

#: The file of what exec() is given as text.
TEXT = "<string>"
RNDADDENTROPY, RNDRESEEDCRNG = 0x40085203, 0x5207  # include/uapi/linux/random.h


class Known:
    """Compiles what execnet sends as text: itself, and xdist's worker. The host has the same packages, so
    these are known before, and done; any other text is compiled when it comes."""

    def __init__(self, *modules: str) -> None:
        self._first = ""
        self._texts: dict[tuple[str, str], CodeType] = {}
        for module in modules:
            text, file = source(module)
            if text and not self._first:
                self._first, file = text, TEXT
            else:
                text += "\n"  # as execnet has it
            self._texts[text, file] = compile(text, file, "exec")

    def compile(self, text: str, name: str, mode: str) -> CodeType:
        """In place of the function of that name."""
        return self._texts.get((text, name)) or compile(text, name, mode)

    def run(self, text: str, space: dict[str, Any]) -> None:
        """exec(); what comes after the text that is known is a part of its own."""
        if self._first and text.startswith(self._first):
            exec(self.compile(self._first, TEXT, "exec"), space)
            text = text[len(self._first) :]
        exec(self.compile(text, TEXT, "exec"), space)


def source(module: str) -> tuple[str, str]:
    """A module's text and its file; empty where there is none."""
    with contextlib.suppress(ImportError, OSError):
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None:
            with tokenize.open(spec.origin) as file:
                return file.read(), spec.origin
    return "", ""


def read_exactly(port: int, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = os.read(port, count - len(data))
        if not piece:
            raise EOFError("host went away")
        data += piece
    return data


def warm_up(repository: str) -> None:
    """Import what pytest imports for every session of the suite, as it does it, and read what it reads. An
    image may be without one, and what cannot be imported is told by the session."""
    try:
        os.chdir(repository)
        importlib.import_module("guest_thrift").keep_distributions()
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            config = importlib.import_module("_pytest.config")._prepareconfig([])
            config._ensure_unconfigure()
        importlib.import_module("helpers.catalogue").load()
    except Exception as error:
        print(f"pnode-guest: nothing imported ahead: {error!r}", file=sys.stderr)


def nursery() -> ModuleType | None:
    """The module of lean children, whose process starts beside all else; None in an image without it."""
    try:
        lean = importlib.import_module("fixtures.lean")
    except ImportError:
        return None
    lean.begin()
    return lean


def renew(setup: dict[str, Any]) -> None:
    """What a guest must not have in common with others that began as the same one (tools/guest/warm.py), or
    with the time when that was: the host's clock, and its own entropy."""
    time.clock_settime(time.CLOCK_REALTIME, setup["time"])
    entropy = bytes.fromhex(setup["entropy"])
    with open("/dev/urandom", "r+b", buffering=0) as pool:
        fcntl.ioctl(pool, RNDADDENTROPY, struct.pack("ii", 8 * len(entropy), len(entropy)) + entropy)
        fcntl.ioctl(pool, RNDRESEEDCRNG)
    random.seed()


def work(device: str, hello: str, repository: str, waiting: Callable[[], None]) -> None:
    """Become the xdist worker: what `python -c "import sys;exec(eval(sys.stdin.readline()))"` would be. Calls
    `waiting` when all is there but its host.

    The port is opened once for both directions, a second open is EBUSY. The write blocks until a host is
    there; then the host sends the environment: eight hexadecimal digits of length, and JSON with "env",
    "cwd", "time" (seconds) and "entropy" (hexadecimal).
    """
    os.setsid()
    children = nursery()
    warm_up(repository)
    if children is not None:
        with contextlib.suppress(OSError):  # it is started again when it is wanted, and that is told
            children.ready()
    known = Known("execnet.gateway_base", "xdist.remote")
    gc.collect()
    gc.freeze()
    port = os.open(device, os.O_RDWR)
    waiting()
    os.write(port, hello.encode() + b"\n")
    setup = json.loads(read_exactly(port, int(read_exactly(port, 8), 16)))
    renew(setup)
    os.environ.update(setup["env"], PYTEST_PLUGINS="guest_plugin,guest_collection,guest_cpus,guest_thrift")
    os.chdir(setup["cwd"])
    os.dup2(port, 0)
    os.dup2(port, 1)
    os.close(port)
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    sys.argv[:] = ["-c"]
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    main.__dict__["compile"] = known.compile  # execnet's own calls of it
    known.run(eval(sys.stdin.readline()), main.__dict__)

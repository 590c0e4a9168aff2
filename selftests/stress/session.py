# SPDX-License-Identifier: GPL-2.0-only
"""The pytest session of the crew, in a process of its own: pytest and xdist as ever, but workers are forks.

A new interpreter that imports pytest and the suite takes five to ten seconds on an emulated CPU, times the
number of workers, which would be longer than all scenes. The process that has come here has imported all of
it.
"""

import ctypes
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["start"]

_PR_SET_PDEATHSIG = 1
#: Descriptors are closed up to here: the parent has few.
_DESCRIPTORS = 1 << 12


def start(words: list[str], env: dict[str, str], log: Path) -> int:
    """Run pytest with these words in a child, whose output goes to a file. Returns its process id."""
    return _child(lambda: _run(words, env, log))


def _child(body: Callable[[], int | None]) -> int:
    """Fork; the child does that and ends, with its status."""
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        status = body() or 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _run(words: list[str], env: dict[str, str], log: Path) -> int:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # those of the conductor's own deadline
    gc.freeze()
    _streams(os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
    # What the conductor has open is his: a plug, or his line to the host, must not outlive him in here.
    os.closerange(3, _DESCRIPTORS)
    os.environ.clear()
    os.environ.update(env)

    import pytest
    from execnet import gateway_io

    gateway_io.create_io = _forked
    return int(pytest.main(words))


def _streams(source: int, target: int) -> None:
    for to, handle in ((0, source), (1, target), (2, target)):
        os.dup2(handle, to)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def _forked(_spec: Any, execmodel: Any) -> Any:
    """In place of execnet's own: what is at the other end of the pipes is a fork, which becomes a worker."""
    from execnet.gateway_base import Popen2IO

    theirs, ours = os.pipe()
    back, answers = os.pipe()
    pid = _child(lambda: _worker(theirs, answers))
    os.close(theirs)
    os.close(answers)

    class Forked(Popen2IO):  # type: ignore[misc]
        def wait(self) -> int:
            return os.waitpid(pid, 0)[1]

        def kill(self) -> None:
            os.kill(pid, signal.SIGKILL)

    return Forked(os.fdopen(ours, "wb"), os.fdopen(back, "rb"), execmodel=execmodel)


def _worker(source: int, target: int) -> None:
    """What `python -c "import sys;exec(eval(sys.stdin.readline()))"` is, with these as standard streams."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.dup2(source, 0)
    os.dup2(target, 1)
    os.closerange(3, _DESCRIPTORS)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    main = sys.modules["__main__"] = ModuleType("__main__")
    sys.argv[:] = ["-c"]
    exec(eval(sys.stdin.readline()), main.__dict__)

# SPDX-License-Identifier: GPL-2.0-only
"""The one pytest case of the session inside a guest: each of its xdist workers runs it, at the same time, on
the kernel that is certified. A worker asks the conductor (crew.py) for an act, plays it and tells what came
of it, until there is none left.

Not collected by the suite; crew.py names this file.
"""

import os
from multiprocessing.connection import Client

from selftests.stress.crew import SOCKET
from selftests.stress.playing import play


def test_seat() -> None:
    failed = []
    with Client(os.environ[SOCKET], "AF_UNIX") as conductor:
        conductor.send((os.environ.get("PYTEST_XDIST_WORKER", "?"), os.getpid()))
        while (act := conductor.recv()) is not None:
            told = play(act)
            failed += told.wrong
            conductor.send(told)
    assert not failed, "\n".join(failed)

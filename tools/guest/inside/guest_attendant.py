# SPDX-License-Identifier: GPL-2.0-only
"""Answers the host about the state of the guest, whatever the test does to the worker.

A process of its own beside the worker, forked from init with everything imported, on a virtio port of its
own, with real-time priority and out of the OOM killer's reach. So it answers as long as the kernel does, and
a guest in which it does not answer has a kernel that hangs. One JSON object a line each way:

    {"ask": "alive"}    {"alive": uptime}
    {"ask": "cpus"}     {"cpus": [0, 1]}, when it has run on each of them
    {"ask": "pace"}     {"work_ms": 12.5, "pace": 1.0}, see helpers/pace.py
    {"ask": "tasks"}    one object for each thread worth looking at, then {"end": count, "python": text}

Only files of /proc are read that take no lock of the task's address space: those may be what it hangs in.
"""

import json
import os
import time
from collections.abc import Iterator
from typing import Any

PROC = "/proc"
HELLO = b"pnode-attendant 1\n"
#: Where a worker whose main thread is stuck has its Python stacks written (fixtures/deadline.py).
PYTHON_STACKS = "/pnode/stacks"
PRIORITY = 99
MOST_TASKS = 200
MOST_TEXT = 64 << 10
# include/linux/sched.h: a thread of the kernel's own.
PF_KTHREAD = 0x00200000


def attend(device: str) -> None:
    """Serve the port for ever. The write blocks until a host is there, the read ends when it has gone."""
    os.setsid()
    _stand_out()
    port = os.open(device, os.O_RDWR)
    while True:
        os.write(port, HELLO)
        for line in _lines(port):
            for answer in _answers(line):
                os.write(port, json.dumps(answer).encode() + b"\n")


def _stand_out() -> None:
    try:
        with open(f"{PROC}/self/oom_score_adj", "w") as file:
            file.write("-1000")
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError:  # a kernel without it: the answer may come later, that is all
        pass


def _lines(port: int) -> Iterator[bytes]:
    rest = b""
    while data := os.read(port, 4096):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole


def _answers(line: bytes) -> Iterator[dict[str, Any]]:
    try:
        ask = json.loads(line)["ask"]
    except (ValueError, KeyError, TypeError):
        yield {"error": "not understood"}
        return
    if ask == "alive":
        yield {"alive": round(time.clock_gettime(time.CLOCK_BOOTTIME), 2)}
    elif ask == "cpus":
        yield {"cpus": _visit_cpus()}
    elif ask == "pace":
        work_ms, factor = measure()
        yield {"work_ms": work_ms, "pace": factor}
    elif ask == "tasks":
        count = 0
        for count, task in enumerate(tasks(), 1):  # noqa: B007
            yield task
        yield {"end": count, "python": _text(PYTHON_STACKS)}
    else:
        yield {"error": f"{ask!r} is nothing to ask for"}


def _visit_cpus() -> list[int]:
    """Run on each CPU. Where one does not schedule any more, this never returns: that is the answer."""
    every = range(os.sysconf("SC_NPROCESSORS_CONF"))
    os.sched_setaffinity(0, every)  # one that was offline may be online by now
    home = sorted(os.sched_getaffinity(0))
    for cpu in home:
        os.sched_setaffinity(0, {cpu})
    os.sched_setaffinity(0, every)
    return home


def measure() -> tuple[float | None, float]:
    """Milliseconds for a fixed small piece of work, and the factor for bounds that follows from it; an image
    may be without the suite."""
    try:
        from helpers import pace
    except ImportError:
        return None, 1.0
    took = pace.measure()
    return took, pace.factor(took)


def tasks() -> Iterator[dict[str, Any]]:
    """Threads of user space other than init's and this one's, the worker's first; and those of the kernel
    that sleep uninterruptibly."""
    own = {1, os.getpid()}
    found = 0
    for pid in sorted(int(name) for name in os.listdir(PROC) if name.isdigit()):
        if pid in own:
            continue
        for thread in _threads(pid):
            task = _task(pid, thread)
            if task is not None and found < MOST_TASKS:
                found += 1
                yield task


def _threads(pid: int) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(f"{PROC}/{pid}/task"))
    except OSError:
        return []


def _task(pid: int, thread: int) -> dict[str, Any] | None:
    folder = f"{PROC}/{pid}/task/{thread}"
    stat = _text(f"{folder}/stat")
    name = stat[stat.find("(") + 1 : stat.rfind(")")]
    fields = stat[stat.rfind(")") + 2 :].split()
    if len(fields) < 7:
        return None
    state, parent, kernel = fields[0], int(fields[1]), bool(int(fields[6]) & PF_KTHREAD)
    if kernel and state != "D":
        return None
    return {
        "pid": pid,
        "thread": thread,
        "parent": parent,
        "name": name,
        "state": state,
        "kernel": kernel,
        "wchan": _text(f"{folder}/wchan").strip("0"),
        "stack": _text(f"{folder}/stack").strip(),
    }


def _text(path: str) -> str:
    try:
        with open(path, errors="replace") as file:
            return file.read(MOST_TEXT)
    except OSError:
        return ""

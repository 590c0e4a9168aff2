# SPDX-License-Identifier: GPL-2.0-only
"""A test is past its deadline: is it the test that hangs, its kernel, or the machine?

The guest's attendant (inside/guest_attendant.py) does not depend on the test's interpreter. When it answers
and gets onto every CPU, the kernel is alive, and it tells what each thread waits for. When it does not, QEMU
is asked for the state of the CPUs; and when that does not answer either, nothing is known of the kernel. What
was found is kept as hang.txt in the guest's folder.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tools.guest import control
from tools.guest.qemu import WATCH_SOCKET
from tools.guest.slot import Boot, Slot

Who = Literal["test", "kernel", "machine"]
Thread = tuple[Any, Any]  # process id, thread id

HELLO = "pnode-attendant 1"
FILE = "hang.txt"
# Seconds until the attendant has said something, on a machine of the usual pace: it takes milliseconds.
ANSWER_SECONDS = 4.0
_MOST_ANSWER = 16 << 20
# Between two looks: at the registers, a CPU that is where it was is stuck in a small place; at the tasks, one
# that runs in both has more to do than to answer somebody.
_BETWEEN_LOOKS = 0.2
# The worker's thread that hears the host: messages make it run (inside/guest_plugin.py).
_RECEIVER = "pnode-receiver"
_STATES = {
    "D": "sleeps uninterruptibly",
    "I": "is idle",
    "R": "is running",
    "S": "sleeps",
    "T": "is stopped",
    "X": "is dead",
    "Z": "is a zombie",
    "t": "is traced",
}


@dataclass(frozen=True)
class Finding:
    """`who` hangs, one line about it, and all that was found (stacks or registers)."""

    who: Who
    reason: str
    text: str = ""


class Silent(Exception):
    """The attendant does not answer; the text says what it did not answer to."""


def examine_slot(run_dir: Path, slot: int, patience: float = 1.0) -> Finding | None:
    """examine() for the guest that a slot has now; None when there is none."""
    boot = Slot(run_dir, slot).current()
    if boot is None or (boot.qemu_pid() is None and _state_of(boot.claimed_by()) != "T"):
        return None
    return examine(boot, patience)


def examine(boot: Boot, patience: float = 1.0) -> Finding:
    """Find out who hangs, within a few seconds times `patience`. Raises nothing, and changes nothing."""
    if _state_of(boot.claimed_by()) == "T":
        # Whatever the guest does, nobody gets to know.
        finding = Finding("machine", "its worker wrapper is stopped")
    else:
        try:
            finding = _ask_attendant(boot, ANSWER_SECONDS * patience)
        except Silent as silent:
            finding = _ask_machine(boot, str(silent))
    with contextlib.suppress(OSError):  # a full disk: the event has an excerpt
        (boot.path / FILE).write_text(f"{finding.who}: {finding.reason}\n\n{finding.text}\n")
    return finding


@contextlib.contextmanager
def _attendant(boot: Boot, seconds: float) -> Iterator[tuple[socket.socket, Iterator[str]]]:
    """A connection to the attendant, which has said who it is, and its lines. Raises Silent."""
    try:
        connection = control.connect(boot.path, WATCH_SOCKET)
    except OSError as error:
        raise Silent(f"its attendant cannot be reached: {error.strerror}") from error
    with connection, _deadline(connection, seconds) as lines:
        _hear(lines, "does not answer at all", HELLO)
        yield connection, lines


def ask(boot: Boot, what: str, seconds: float) -> Mapping[str, Any]:
    """The attendant's answer to one question. Raises Silent."""
    with _attendant(boot, seconds) as (connection, lines):
        _say(connection, what)
        answer: Mapping[str, Any] = json.loads(_hear(lines, f"does not answer to {what!r}"))
        return answer


# --- the attendant
# -------------------------------------------------------------------------------------------------------


def _ask_attendant(boot: Boot, seconds: float) -> Finding:
    """Raises Silent."""
    with _attendant(boot, seconds) as (connection, lines):
        _say(connection, "alive")
        _hear(lines, "does not answer at all")
        _say(connection, "cpus")
        cpus = json.loads(_hear(lines, "answers, but a CPU of it does not schedule any more"))
        _say(connection, "tasks")
        tasks, python = _hear_tasks(lines)
        working = _running(tasks)
        if working:  # for a moment, or is it what the test does?
            time.sleep(_BETWEEN_LOOKS)
            _say(connection, "tasks")
            working &= _running(_hear_tasks(lines)[0])
    threads = [_text_of(task) for task in tasks]
    text = "\n\n".join([*([f"Python stacks of the worker:\n{python}"] if python else []), *threads])
    suspect = _suspect(tasks, working)
    told = f"; {suspect}" if suspect else ""
    return Finding("test", f"the guest answers on each CPU ({len(cpus.get('cpus', ()))} online){told}", text)


def _hear_tasks(lines: Iterator[str]) -> tuple[list[Mapping[str, Any]], str]:
    tasks: list[Mapping[str, Any]] = []
    while True:
        entry = json.loads(_hear(lines, "answers, but its tasks cannot be looked at"))
        if "end" in entry:
            return tasks, str(entry.get("python") or "").strip()
        tasks.append(entry)


def _say(connection: socket.socket, ask: str) -> None:
    with contextlib.suppress(OSError):  # the missing answer will tell
        connection.sendall(json.dumps({"ask": ask}).encode() + b"\n")


def _hear(lines: Iterator[str], otherwise: str, expected: str | None = None) -> str:
    line = next(lines, None)
    if line is None or (expected is not None and line != expected):
        raise Silent(f"the guest {otherwise}")
    return line


@contextlib.contextmanager
def _deadline(connection: socket.socket, seconds: float) -> Iterator[Iterator[str]]:
    """Lines from a connection, none any more once nothing came for so many seconds."""

    def lines() -> Iterator[str]:
        rest, total = b"", 0
        connection.settimeout(seconds)
        while total < _MOST_ANSWER:
            try:
                data = connection.recv(1 << 16)
            except OSError:
                return
            if not data:
                return
            total += len(data)
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace").strip()

    yield lines()


def _text_of(task: Mapping[str, Any]) -> str:
    where = f" in {task['wchan']}" if task.get("wchan") else ""
    state = _STATES.get(str(task.get("state")), str(task.get("state")))
    head = f"{_name(task)}, child of {task.get('parent')}: {state}{where}"
    stack = "\n".join(f"  {line}" for line in str(task.get("stack") or "").splitlines())
    return f"{head}\n{stack}" if stack else head


def _name(task: Mapping[str, Any]) -> str:
    pid, thread = task.get("pid"), task.get("thread")
    return f"{task.get('name')}[{pid}]" if pid == thread else f"{task.get('name')}[{pid}/{thread}]"


def _running(tasks: list[Mapping[str, Any]]) -> set[Thread]:
    return {
        (task.get("pid"), task.get("thread"))
        for task in tasks
        if task.get("state") == "R" and task.get("name") != _RECEIVER
    }


def _suspect(tasks: list[Mapping[str, Any]], working: set[Thread]) -> str:
    """The thread that most likely is what everybody waits for: one that no signal reaches, else one that
    goes on working, else the worker's main thread."""
    for state in "DTR":
        for task in tasks:
            idle = state == "R" and (task.get("pid"), task.get("thread")) not in working
            if idle or (task.get("kernel") and state != "D"):
                continue
            if task.get("state") == state:
                return _line(task)
    return _line(tasks[0]) if tasks else "it has no task left beside its init"


def _line(task: Mapping[str, Any]) -> str:
    where = str(task.get("wchan") or "")
    frames = [line.partition(" ")[2].partition("+")[0] for line in str(task.get("stack") or "").splitlines()]
    where = frames[0] if frames and not where else where
    state = _STATES.get(str(task.get("state")), "")
    return f"{_name(task)} {state}{f' in {where}' if where else ''}"


# --- the machine
# -------------------------------------------------------------------------------------------------------


def _ask_machine(boot: Boot, silence: str) -> Finding:
    from tools.guest import qmp  # loads asyncio, which a run that goes well has no use for

    try:
        status = qmp.execute(boot.path, "query-status")["status"]
    except (OSError, qmp.Refused, KeyError, TypeError) as error:
        return Finding("machine", f"{silence}, nor does QEMU ({_process_state(boot)}): {error}")
    if status != "running":
        return Finding("machine", f"{silence}, and QEMU has stopped it: {status}")
    looks = []
    for _ in range(2):
        with contextlib.suppress(OSError, qmp.Refused):
            looks.append(
                str(qmp.execute(boot.path, "human-monitor-command", {"command-line": "info registers -a"}))
            )
        time.sleep(_BETWEEN_LOOKS)
    text = "\n\n".join(f"Registers, look {number}:\n{look.strip()}" for number, look in enumerate(looks, 1))
    places = [_places(look.replace("\r", "")) for look in looks]
    told = f"; CPUs at {', then '.join(places)}" if places else ""
    return Finding("kernel", silence + told, text.replace("\r", ""))


def _places(look: str) -> str:
    """Where each CPU is: its instruction pointer, and whether it takes interrupts."""
    found = re.findall(r"RIP=([0-9a-f]+) RFL=([0-9a-f]+)[^\n]*?(?:HLT=(\d))?\s*$", look, re.M)
    return " ".join(_place(*one) for one in found) or "?"


def _place(rip: str, flags: str, halted: str) -> str:
    words = [f"0x{rip}"]
    if not int(flags, 16) & 1 << 9:
        words.append("interrupts off")
    if halted == "1":
        words.append("idle")
    return words[0] if len(words) == 1 else f"{words[0]} ({', '.join(words[1:])})"


def _process_state(boot: Boot) -> str:
    letter = _state_of(boot.qemu_pid())
    return f"its process {_STATES.get(letter, letter)}" if letter else "its process is gone"


def _state_of(pid: int | None) -> str:
    """The letter of a process's state, empty when there is none."""
    if pid is None:
        return ""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""

# SPDX-License-Identifier: GPL-2.0-only
"""Who hangs: with a real attendant's answers over a socket, and a QEMU that says what it is told to say."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tools.guest import inquest, qmp
from tools.guest.layers import INSIDE
from tools.guest.slot import Boot, Slot

REGISTERS = """\
CPU#0\r
RAX=0000000000000000 RBX=ffffffffc0000000\r
RIP=ffffffffc0001234 RFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\r
CPU#1\r
RIP=ffffffff81e00a1b RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r
"""


@pytest.fixture
def attendant() -> ModuleType:
    spec = importlib.util.spec_from_file_location("guest_attendant", INSIDE / "guest_attendant.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def boot(slot: Slot) -> Boot:
    return slot.new_boot({})


@pytest.fixture
def answers(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Serve the guest's port: a line for each request, by a function of the request's `ask`."""
    monkeypatch.setattr(inquest, "ANSWER_SECONDS", 0.5)
    server = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(boot.path)  # a socket's path is short
    server.bind("watch.sock")
    server.listen()

    def serve(answer: Callable[[str], Iterator[dict[str, Any]]] | None) -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as lines:
            if answer is None:
                lines.read()  # not a word
                return
            connection.sendall(b"pnode-attendant 1\n")
            for line in lines:
                for entry in answer(json.loads(line)["ask"]):
                    connection.sendall(json.dumps(entry).encode() + b"\n")

    def start(answer: Callable[[str], Iterator[dict[str, Any]]] | None) -> None:
        threading.Thread(target=serve, args=(answer,), daemon=True).start()

    yield start
    server.close()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What QEMU answers, by command; an exception is raised."""
    told: dict[str, Any] = {"query-status": {"status": "running"}, "human-monitor-command": REGISTERS}

    def execute(folder: Path, command: str, arguments: object = None) -> Any:
        if isinstance(told[command], Exception):
            raise told[command]
        return told[command]

    monkeypatch.setattr(qmp, "execute", execute)
    return told


def task(**fields: Any) -> dict[str, Any]:
    base = {"pid": 43, "thread": 43, "parent": 1, "name": "init", "state": "S", "kernel": False}
    return {**base, "wchan": "", "stack": "", **fields}


def alive(*tasks: dict[str, Any], python: str = "") -> Callable[[str], Iterator[dict[str, Any]]]:
    def answer(ask: str) -> Iterator[dict[str, Any]]:
        if ask == "alive":
            yield {"alive": 12.5}
        elif ask == "cpus":
            yield {"cpus": [0, 1]}
        else:
            yield from tasks
            yield {"end": len(tasks), "python": python}

    return answer


def test_a_task_that_no_signal_reaches_is_named(boot: Boot, answers: Callable[..., None]) -> None:
    stuck = task(thread=50, state="D", stack="[<0>] folio_wait_bit+0x1/0x2\n[<0>] do_syscall_64+0x1/0x2")
    answers(alive(task(), stuck, python='  File "test_x.py", line 3 in test_x'))
    found = inquest.examine(boot)
    assert found.who == "test"
    assert found.reason == (
        "the guest answers on each CPU (2 online); init[43/50] sleeps uninterruptibly in folio_wait_bit"
    )
    assert "in test_x" in found.text
    assert "do_syscall_64" in found.text
    assert (boot.path / "hang.txt").read_text().startswith("test: the guest answers")


def test_without_such_a_task_the_worker_itself_is_named(boot: Boot, answers: Callable[..., None]) -> None:
    answers(alive(task(wchan="futex_wait_queue")))
    assert inquest.examine(boot).reason.endswith("; init[43] sleeps in futex_wait_queue")


def test_the_receiver_is_not_the_one_that_works(boot: Boot, answers: Callable[..., None]) -> None:
    """Our own messages wake it; the plugin that names it and the inquest agree on the name."""
    receiver = task(thread=44, state="R", name="pnode-receiver")
    assert f'RECEIVER = "{receiver["name"]}"' in (INSIDE / "guest_plugin.py").read_text()
    answers(alive(task(wchan="hrtimer_nanosleep"), receiver))
    assert inquest.examine(boot).reason.endswith("; init[43] sleeps in hrtimer_nanosleep")


def test_a_thread_that_runs_for_a_moment_is_not_the_one(boot: Boot, answers: Callable[..., None]) -> None:
    looks = iter("RSS")

    def answer(ask: str) -> Iterator[dict[str, Any]]:
        state = next(looks) if ask == "tasks" else "S"
        return alive(task(wchan="hrtimer_nanosleep"), task(thread=46, state=state))(ask)

    answers(answer)
    assert inquest.examine(boot).reason.endswith("; init[43] sleeps in hrtimer_nanosleep")


def test_a_thread_that_runs_in_both_looks_is_where_it_works(boot: Boot, answers: Callable[..., None]) -> None:
    answers(alive(task(wchan="futex_wait_queue"), task(thread=46, state="R")))
    assert inquest.examine(boot).reason.endswith("; init[43/46] is running")


def test_a_worker_that_is_gone(boot: Boot, answers: Callable[..., None]) -> None:
    answers(alive())
    assert inquest.examine(boot).reason.endswith("; it has no task left beside its init")


def test_a_guest_that_does_not_answer_has_a_kernel_that_hangs(
    boot: Boot, answers: Callable[..., None], machine: dict[str, Any]
) -> None:
    answers(None)
    found = inquest.examine(boot)
    assert found.who == "kernel"
    places = "0xffffffffc0001234 (interrupts off) 0xffffffff81e00a1b (idle)"
    assert found.reason == f"the guest does not answer at all; CPUs at {places}, then {places}"
    assert "RIP=ffffffffc0001234" in found.text


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ("alive", "answers, but a CPU of it does not schedule any more"),
        ("cpus", "answers, but its tasks cannot be looked at"),
    ],
)
def test_a_guest_that_falls_silent(
    boot: Boot, answers: Callable[..., None], machine: dict[str, Any], last: str, words: str
) -> None:
    whole = alive(task())
    order = ["alive", "cpus", "tasks"]
    answers(lambda ask: whole(ask) if order.index(ask) <= order.index(last) else iter(()))
    found = inquest.examine(boot)
    assert found.who == "kernel"
    assert words in found.reason


def test_a_qemu_that_does_not_answer_says_nothing_of_the_kernel(boot: Boot, machine: dict[str, Any]) -> None:
    machine["query-status"] = OSError("QMP: no answer to query-status within 2 s")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=boot.path)
    (boot.path / "qemu.pid").write_text(str(process.pid))
    try:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        found = inquest.examine(boot)
    finally:
        process.kill()
        process.wait()
    assert found.who == "machine"
    assert "nor does QEMU (its process is stopped)" in found.reason


def test_a_machine_that_qemu_stopped(boot: Boot, machine: dict[str, Any]) -> None:
    machine["query-status"] = {"status": "internal-error"}
    found = inquest.examine(boot)
    assert found.who == "machine"
    assert found.reason.endswith("and QEMU has stopped it: internal-error")


def test_a_slot_without_a_guest(tmp_path: Path) -> None:
    assert inquest.examine_slot(tmp_path, 0) is None


def test_the_attendant_tells_what_each_thread_does(
    attendant: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendant, "MOST_TASKS", 1 << 20)  # a host may have many
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        found = {entry["pid"]: entry for entry in attendant.tasks()}
    finally:
        child.kill()
        child.wait()
    assert found[child.pid]["parent"] == os.getpid()
    assert found[child.pid]["name"].startswith("python")
    assert os.getpid() not in found  # itself
    assert 1 not in found


def test_the_attendant_answers(attendant: ModuleType) -> None:
    ask = attendant._answers
    assert next(iter(ask(b'{"ask": "alive"}')))["alive"] > 0
    assert [*ask(b'{"ask": "cpus"}')] == [{"cpus": sorted(os.sched_getaffinity(0))}]
    assert "end" in [*ask(b'{"ask": "tasks"}')][-1]
    assert [*ask(b"{")] == [{"error": "not understood"}]
    assert [*ask(b'{"ask": "reboot"}')] == [{"error": "'reboot' is nothing to ask for"}]

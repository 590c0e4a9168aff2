# SPDX-License-Identifier: GPL-2.0-only
"""The wrapper between a real execnet and a guest that is a process (fake_qemu.py)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import execnet
import pytest

from tools.guest import boot as boots
from tools.guest import control, inquest
from tools.guest.keeper import Keeper
from tools.guest.pool import WORKER, tx
from tools.guest.slot import Boot, Launch, Slot

Make = Callable[..., Launch]


@pytest.fixture
def group() -> Iterator[execnet.Group]:
    made = execnet.Group()
    yield made
    made.terminate(timeout=5)


@pytest.fixture
def ready(slot: Slot, fake_launch: Make, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slot]:
    """A slot with a guest that waits for its worker."""
    monkeypatch.setenv("PNODE_PYTHON", sys.executable)
    launch = fake_launch("worker")
    slot.set_launch(launch)
    keeper = Keeper()
    boot, process = keeper.start(slot, launch)
    boots.wait_ready(boot, launch, process)
    yield slot
    control.kill_all(slot.run_dir, "end of the test")
    keeper.stop()


def current(slot: Slot) -> Boot:
    boot = slot.current()
    assert boot is not None
    return boot


def until_state(boot: Boot, *states: str) -> dict[str, object]:
    deadline = time.monotonic() + 10
    while boot.state()["state"] not in states:
        assert time.monotonic() < deadline, boot.state()
        time.sleep(0.02)
    return boot.state()


def answer(gateway: execnet.Gateway, code: str) -> object:
    return gateway.remote_exec(f"import os; channel.send({code})").receive(timeout=10)


def test_execnet_talks_to_the_guest(ready: Slot, group: execnet.Group) -> None:
    gateway = group.makegateway(tx(ready))
    boot = current(ready)
    assert answer(gateway, "os.getppid()") == boot.qemu_pid()
    assert answer(gateway, "os.environ['PNODE_SLOT']") == "0"
    assert answer(gateway, "os.environ['PNODE_TOPOLOGY']") == "fast"
    assert answer(gateway, "os.getcwd()") == os.getcwd()
    assert boot.state()["state"] == "running"
    gateway.exit()
    assert until_state(boot, "over", "dead")["reason"] == "worker: exit 0"


def test_much_data_both_ways(ready: Slot, group: execnet.Group) -> None:
    channel = group.makegateway(tx(ready)).remote_exec("channel.send(channel.receive()[::-1])")
    data = os.urandom(4 << 20)
    channel.send(data)
    assert channel.receive(timeout=30) == data[::-1]


def test_a_dead_guest_is_explained_before_the_worker_is_gone(ready: Slot, group: execnet.Group) -> None:
    gateway = group.makegateway(tx(ready))
    boot = current(ready)
    channel = gateway.remote_exec("import os; os._exit(7)")  # the fake's kernel panics then
    with pytest.raises(EOFError):
        channel.receive(timeout=10)
    state = boot.state()
    assert (state["state"], state["reason"]) == (
        "dead",
        "panic: Attempted to kill init! exitcode=0x00000100",
    )
    assert "Kernel panic" in state["excerpt"]


def test_a_killed_guest_is_replaced_and_both_are_kept(ready: Slot, group: execnet.Group) -> None:
    gateway = group.makegateway(tx(ready))
    first = current(ready)
    channel = gateway.remote_exec("channel.receive()")
    control.kill_slot(ready.run_dir, 0, "test_x ran longer than 60 s")
    with pytest.raises(EOFError):
        channel.receive(timeout=10)
    assert first.state()["reason"] == "killed: test_x ran longer than 60 s"

    second_gateway = group.makegateway(tx(ready))
    second = current(ready)
    assert second.number == 1
    assert answer(second_gateway, "os.getppid()") == second.qemu_pid()
    assert first.console.exists()


def test_a_guest_does_not_outlive_its_wrapper(ready: Slot, group: execnet.Group) -> None:
    group.makegateway(tx(ready))
    boot = current(ready)
    pid, wrapper = boot.qemu_pid(), boot.claimed_by()
    assert pid is not None
    assert wrapper is not None
    os.kill(wrapper, signal.SIGKILL)
    assert boots.wait_gone(pid, 10)
    assert until_state(boot, "dead", "over")["reason"]


def test_a_replacement_does_not_outlive_its_wrapper(ready: Slot, group: execnet.Group) -> None:
    group.makegateway(tx(ready)).exit()
    until_state(current(ready), "over")
    group.makegateway(tx(ready))
    boot = current(ready)
    pid, wrapper = boot.qemu_pid(), boot.claimed_by()
    assert boot.number == 1
    assert pid is not None
    assert wrapper is not None
    os.kill(wrapper, signal.SIGKILL)
    assert boots.wait_gone(pid, 10)


GARBAGE = """
import os
for name in os.listdir("/proc/self/fd"):
    try:
        if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
            os.write(int(name), b"not a message" * 9)
            break
    except OSError:
        pass
channel.receive()
"""


def test_garbage_on_the_channel_ends_the_guest_and_does_not_reach_the_host(
    ready: Slot, group: execnet.Group
) -> None:
    channel = group.makegateway(tx(ready)).remote_exec(GARBAGE)
    with pytest.raises(EOFError):
        channel.receive(timeout=10)
    reason = str(until_state(current(ready), "dead")["reason"])
    assert reason.startswith("killed: its worker's channel is broken: b'not a message")


def test_a_guest_that_fills_the_disk_by_its_console_is_ended(ready: Slot, group: execnet.Group) -> None:
    ready.set_launch(replace(ready.launch(), console_bytes=1 << 20))
    channel = group.makegateway(tx(ready)).remote_exec("channel.receive()")
    with current(ready).console.open("ab") as console:
        console.write(b"x" * (1 << 20))
    with pytest.raises(EOFError):
        channel.receive(timeout=10)
    assert current(ready).state()["reason"] == "killed: its console has more than 1 MiB"


def test_a_wrapper_that_was_stopped_goes_with_its_guest(
    ready: Slot, group: execnet.Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_WRAPPER_SECONDS", 0.2)
    channel = group.makegateway(tx(ready)).remote_exec("channel.receive()")
    wrapper = current(ready).claimed_by()
    assert wrapper is not None
    os.kill(wrapper, signal.SIGSTOP)
    assert control.kill_slot(ready.run_dir, 0, "test_x ran longer than 60 s", last_words=False)
    with pytest.raises(EOFError):
        channel.receive(timeout=10)


def test_a_wrapper_that_was_stopped_goes_also_when_its_guest_is_gone(
    ready: Slot, group: execnet.Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_WRAPPER_SECONDS", 0.2)
    channel = group.makegateway(tx(ready)).remote_exec("channel.receive()")
    boot = current(ready)
    wrapper, guest = boot.claimed_by(), boot.qemu_pid()
    assert wrapper is not None
    assert guest is not None
    os.kill(wrapper, signal.SIGSTOP)
    os.kill(guest, signal.SIGKILL)
    assert boots.wait_gone(guest, 5)
    finding = inquest.examine_slot(ready.run_dir, 0)
    assert finding is not None
    assert (finding.who, finding.reason) == ("machine", "its worker wrapper is stopped")
    assert not control.kill_slot(ready.run_dir, 0, "test_x ran longer than 60 s")
    with pytest.raises(EOFError):
        channel.receive(timeout=10)


def test_a_guest_that_does_not_come_up_ends_the_worker(
    slot: Slot, fake_launch: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNODE_PYTHON", sys.executable)
    slot.set_launch(fake_launch("panic"))
    words = [WORKER, "--slot", "0", "--run-dir", slot.run_dir, "-u", "-c", "import sys"]
    # Standard input stays open: otherwise the wrapper may leave because its host did.
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as wrapper:
        assert wrapper.wait(timeout=30) == 1
        assert wrapper.stderr is not None
        said = wrapper.stderr.read()
    lines = said.splitlines()
    assert len(lines) == len(slot.boots()) == 3  # one bad boot is not the end of a run
    assert all("guest 0 (fast, tcg): kernel panic: Attempted to kill init!" in line for line in lines)
    assert [line.endswith("trying again") for line in lines] == [True, True, False]


def test_no_pool_at_all_is_one_line(slot: Slot) -> None:
    done = subprocess.run(
        [WORKER, "--slot", "0", "--run-dir", slot.run_dir],
        env={**os.environ, "PNODE_PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "launch.json" in done.stderr
    assert done.stderr.count("\n") == 1

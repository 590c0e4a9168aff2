# SPDX-License-Identifier: GPL-2.0-only
"""States that are kept: what they belong to, which go, and guests that begin from one; QEMU is a fake."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tools.guest import boot as boots
from tools.guest import inquest, qmp, topology, waking, warm
from tools.guest.errors import GuestError
from tools.guest.pool import Pool
from tools.guest.slot import Boot, Launch, Slot

PACE = {"work_ms": 31.0, "pace": 1.55}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pnode-selftests" / "warm"


def state(name: str, console: str = "") -> str:
    place = warm.folder(name)
    place.mkdir(parents=True)
    (place / warm.MEMORY).write_text("x")
    (place / "console.log").write_text(console)
    return str(place)


class Machine:
    """QEMU as far as it is asked: what it was told, and what it is."""

    def __init__(self, status: str = "paused") -> None:
        self.status, self.said = status, list[str]()
        self.migration = {"status": "completed"}
        self.busy = 0  # times that it does not answer

    def execute(self, folder: Path, command: str, arguments: dict[str, Any] | None = None) -> Any:
        self.said.append(command)
        if self.busy:
            self.busy -= 1
            raise OSError(f"QMP: no answer to {command} within 2 s")
        if command == "migrate" and self.migration["status"] == "completed":
            Path((arguments or {})["uri"].removeprefix("file:")).write_text("pages")
        return {"query-status": {"status": self.status}, "query-migrate": self.migration}.get(command)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(qmp, "execute", made.execute)
    monkeypatch.setattr(inquest, "ask", lambda boot, what, seconds: dict(PACE))
    return made


def test_what_a_state_belongs_to(tmp_path: Path) -> None:
    kernel = tmp_path / "bzImage"
    kernel.write_bytes(b"one")
    argv = ["true", "-initrd", "image-1.cpio"]
    first = warm.key(argv, kernel)
    assert warm.key(argv, kernel) == first
    assert warm.key([*argv[:-1], "image-2.cpio"], kernel) != first
    kernel.write_bytes(b"two")
    assert warm.key(argv, kernel) != first


def test_neither_with_cxl_nor_under_kvm() -> None:
    assert warm.possible(topology.load("fast"), "tcg")
    assert not warm.possible(topology.load("fast"), "kvm")
    assert not warm.possible(topology.load("cxl"), "tcg")


def test_a_guest_is_written_and_goes_on(slot: Slot, machine: Machine) -> None:
    boot = slot.new_boot({})
    boot.console.write_text("until here\n")
    place = waking.save(boot, "abc")
    assert place is not None
    assert warm.usable(place)
    assert (machine.said[0], machine.said[-1]) == ("stop", "cont")
    assert Path(place, "console.log").read_text() == "until here\n"


def test_a_qemu_that_is_busy_is_told_again(slot: Slot, machine: Machine) -> None:
    machine.busy = 2
    boot = slot.new_boot({})
    boot.console.write_text("")
    assert waking.save(boot, "abc") is not None
    assert machine.said[:3] == ["stop"] * 3


def test_while_it_loads_qemu_says_strange_things(
    slot: Slot, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise qmp.Refused("Capabilities negotiation is already complete, command ignored")

    monkeypatch.setattr(qmp, "execute", refuse)
    assert waking.wake(slot.new_boot({})) is None


def test_one_that_cannot_be_written_goes_on(slot: Slot, machine: Machine, cache: Path) -> None:
    machine.migration = {"status": "failed", "error-desc": "No space left on device"}
    boot = slot.new_boot({})
    boot.console.write_text("")
    assert waking.save(boot, "abc") is None
    assert machine.said[-1] == "cont"
    assert list(cache.iterdir()) == []


def test_those_used_last_are_kept(cache: Path) -> None:
    for age, name in enumerate("abcdefgh"):
        os.utime(state(name), (1000 - age, 1000 - age))
    for age, name in ((1000, ".begun"), (0, ".writing")):
        os.utime(state(name), (time.time() - age, time.time() - age))
    warm.prune(cache)
    assert sorted(path.name for path in cache.iterdir()) == [".writing", "a", "b", "c", "d", "e", "f"]


def test_a_guest_begins_from_a_state(
    slot: Slot, fake_launch: Callable[..., Launch], machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = '[    2.0] pnode-guest: {"state": "ready", "release": "6.12.0-fake", "pace": 1.0}\n'
    launch = replace(fake_launch("ready"), warm=state("abc", ready))
    boot, process = boots.start(slot, launch)
    try:
        record = boots.wait_ready(boot, launch, process)
    finally:
        boots.kill(process)
    assert (record["release"], record["pace"]) == ("6.12.0-fake", 1.55)
    assert list(boot.state()["seconds"]) == ["warm"]
    assert "-incoming" in (boot.path / "qemu.cmd").read_text()
    assert "cont" in machine.said


def test_a_state_that_has_gone_is_a_boot(slot: Slot, fake_launch: Callable[..., Launch]) -> None:
    launch = replace(fake_launch("ready"), warm="/nowhere")
    boot, process = boots.start(slot, launch)
    try:
        boots.wait_ready(boot, launch, process)
    finally:
        boots.kill(process)
    assert "ready" in boot.state()["seconds"]


def test_one_that_does_not_wake_is_a_boot_for_all(
    tmp_path: Path, fake_launch: Callable[..., Launch], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(boot: Boot) -> None:
        raise OSError("the guest does not answer at all")

    monkeypatch.setattr(waking, "wake", silent)
    place = state("abc", '[    2.0] pnode-guest: {"state": "ready"}\n')
    prepared: Any = SimpleNamespace(accel=None, initrd=None)
    launch = replace(fake_launch("ready"), keep="abc", warm=place)
    with Pool(cast(Any, None), prepared, [Slot(tmp_path, 0), Slot(tmp_path, 1)]) as pool:
        pool._boot(launch)
        assert ["warm" in guest.seconds for guest in pool.guests] == [False, False]
        assert pool.slots[1].launch().warm is None
    assert not warm.usable(place)


def test_the_first_boots_and_the_others_go_on(
    tmp_path: Path, fake_launch: Callable[..., Launch], machine: Machine
) -> None:
    prepared: Any = SimpleNamespace(accel=None, initrd=None)
    launch = replace(fake_launch("waiting"), keep="abc", warm=str(warm.folder("abc")))
    with Pool(cast(Any, None), prepared, [Slot(tmp_path, number) for number in range(3)]) as pool:
        pool._boot(launch)
        assert ["warm" in guest.seconds for guest in pool.guests] == [False, True, True]
        assert {slot.launch().warm for slot in pool.slots} == {str(warm.folder("abc"))}
        assert [guest.record["pace"] for guest in pool.guests[1:]] == [1.55, 1.55]


def test_one_whose_qemu_ends_is_an_error(
    slot: Slot, fake_launch: Callable[..., Launch], machine: Machine
) -> None:
    machine.status = "inmigrate"
    kept = state("abc", '[    2.0] pnode-guest: {"state": "ready"}\n')
    boot, process = boots.start(slot, replace(fake_launch("refuse"), warm=kept))
    with pytest.raises(GuestError, match="QEMU ended at boot"):
        boots.wait_ready(boot, replace(fake_launch("refuse"), warm=kept), process)


def test_a_guest_that_never_wakes_is_an_error(
    slot: Slot, fake_launch: Callable[..., Launch], machine: Machine
) -> None:
    machine.status = "inmigrate"
    launch = replace(fake_launch("ready", deadline=0.5), warm=state("abc"))
    boot, process = boots.start(slot, launch)
    with pytest.raises(GuestError, match="does not go on from where it was kept"):
        boots.wait_ready(boot, launch, process)

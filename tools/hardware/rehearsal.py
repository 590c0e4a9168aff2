# SPDX-License-Identifier: GPL-2.0-only
"""A guest plays the machine of `pnode run --here`: the very command runs in it, without any guest of its own,
and the machine has to be afterwards what it was before, also when the runner is interrupted or killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import execnet

from tools.cli.subject import Subject
from tools.errors import UserError
from tools.guest import contents, pool
from tools.guest import topology as topologies
from tools.guest.spec import MODULE_IN_GUEST, GuestSpec
from tools.hardware.inside import player
from tools.kernel import module
from tools.paths import ROOT

SOURCES, VENDOR = Path(__file__).with_name("module"), "pnode_vendor.ko"
KMEM = "kmem.ko"
#: What the runner imports that a guest of the suite is without.
PACKAGES = ("jinja2", "markupsafe", "rich", "filelock", "junit-xml", "six")
MODULES = ("colorsys.py",)
#: Dax devices of topology fast, as the guest sees them before anybody plugs.
SPARE, OTHER = "dax0.0", "dax1.0"
OPEN_FLAGS = 3  # MIGRATION and MEMPOLICY
#: The last of them plug, and are skipped.
PROVISIONED = ("selftests/provisioned", "selftests/hotplug/test_state.py")
HOLDS = "verdict: every must requirement that was tested holds"
#: Few tests that plug and unplug; pages are evacuated by the second, poisoned by the third.
CONTROLLED = (
    "selftests/provisioned/test_services.py",
    "selftests/hotplug/test_evacuation.py::test_pages_leave_with_their_contents",
    "selftests/callbacks/test_memory_failure.py::test_the_task_gets_sigbus",
)


@dataclass
class Row:
    """One thing that was tried, and what was wrong with it."""

    name: str
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


class Machine:
    """The guest that plays; each method is a function of inside/player.py."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def order(self, name: str, *arguments: object) -> Any:
        """Raises UserError where the guest could not do it."""
        self._channel.send((name, *arguments))
        answer = self._channel.receive(timeout=2 * player.SECONDS)
        if "error" in answer:
            raise UserError(f"the guest that plays the machine: {answer['error']}")
        return answer["answer"]

    def snapshot(self) -> dict[str, str]:
        return cast(dict[str, str], self.order("snapshot"))

    def pnode(self, *words: str, stop: str | None = None) -> dict[str, Any]:
        return cast(dict[str, Any], self.order("pnode", list(words), stop))


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What is not as it was, a line for each path."""
    return [
        f"{path}: {before.get(path, 'absent')!r:.120} became {after.get(path, 'absent')!r:.120}"
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


def guest(kernel: Subject) -> GuestSpec:
    """What to boot: a guest with the whole of pnode in it. Raises UserError."""
    assert kernel.build_dir is not None
    tested = kernel.module()
    vendor = module.build(kernel.build_dir, SOURCES, VENDOR)
    kmem = kernel.image.parent / "modules" / KMEM
    files = [*contents.tree(ROOT / "tools", ["*/tests", "tests"]), ROOT / ".venv" / "pnode-stamp"]
    modules = contents.distribution_files(PACKAGES) + [Path(contents.stdlib(), name) for name in MODULES]
    extra = {MODULE_IN_GUEST: tested, f"/pnode/{VENDOR}": vendor}
    if kmem.is_file():
        extra[f"/pnode/{KMEM}"] = kmem
    return GuestSpec(
        topology=topologies.load("fast"),
        kernel=kernel.image,
        extra=extra,
        modules=tuple(path for path in [*files, *modules]),
    )


def rehearse(kernel: Subject, run_dir: Path, scenes: Sequence[str], told: Callable[[Row], None]) -> list[Row]:
    """Try scenes in one guest. Raises UserError when it does not come up."""
    rows = []
    with pool.start(guest(kernel), 1, run_dir) as running:
        gateway = execnet.makegateway(running.tx()[0])
        try:
            machine = Machine(gateway.remote_exec(player))
            stage = Stage(run_dir, f"/pnode/{KMEM}" in running.spec.extra)
            for name in scenes:
                for row in SCENES[name](machine, stage):
                    told(row)
                    rows.append(row)
        finally:
            gateway.exit()
    return rows


@dataclass
class Stage:
    """run_dir keeps the output of each command; kmem: the kernel has that driver as a module."""

    run_dir: Path
    kmem: bool
    number: int = 0

    def keep(self, done: Mapping[str, Any]) -> str:
        """Write what a command said; the file's name."""
        self.number += 1
        path = self.run_dir / f"scene{self.number:02}.log"
        path.write_text(f"{done['output']}\n{done['watchdog']}")
        return path.name


_HERE = ("run", "--here", "--module", MODULE_IN_GUEST)
_DAX = (*_HERE, "--dax", SPARE, "--dax", OTHER, "--allow-disruptive")
_RUN = (*_DAX, "--output", "/tmp/runs", "--", *CONTROLLED)
#: Few of them are enough where the run is cut short.
_PART = _RUN[: _RUN.index("--") + 2]


def _refusals(machine: Machine, stage: Stage) -> Iterator[Row]:
    """What is not there; a device that somebody has open, and one whose memory is online as system RAM."""
    bare = machine.snapshot()
    yield _refused(machine, stage, "no private node", _HERE, "no private node on this machine", bare)
    missing = (*_HERE, "--dax", "dax9.9")
    yield _refused(machine, stage, "no such dax device", missing, "no such dax device", bare)
    yield from _used(machine, stage)


def _plan(machine: Machine, stage: Stage) -> Iterator[Row]:
    words = [*_DAX, "--plan", "--", CONTROLLED[0]]
    yield _scene(machine, stage, "the plan alone", words, machine.snapshot(), said="plan of this run")


def _run(machine: Machine, stage: Stage) -> Iterator[Row]:
    yield _scene(machine, stage, "a run with --dax", _RUN, machine.snapshot(), said=HOLDS)


def _interrupted(machine: Machine, stage: Stage) -> Iterator[Row]:
    yield _scene(machine, stage, "^C", _PART, machine.snapshot(), stop="SIGINT", status=3)


def _killed(machine: Machine, stage: Stage) -> Iterator[Row]:
    before = machine.snapshot()
    yield _scene(machine, stage, "the runner killed", _PART, before, stop="SIGKILL", status=-9)


def _judge(done: Mapping[str, Any], status: int, said: str, log: str) -> list[str]:
    wrong = []
    if done["status"] != status:
        wrong.append(f"exit status {done['status']}, not {status} ({log}): {_last(done['output'])}")
    if said not in done["output"]:
        wrong.append(f"it did not say {said!r} ({log}): {_last(done['output'])}")
    return wrong


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["nothing"])[-1][:200]


def _refused(
    machine: Machine, stage: Stage, name: str, words: Sequence[str], reason: str, before: Mapping[str, str]
) -> Row:
    began = time.monotonic()
    done = machine.pnode(*words)
    wrong = _judge(done, 2, reason, stage.keep(done))
    lines = done["output"].strip().splitlines()
    if len(lines) != 1:
        wrong.append(f"{len(lines)} lines instead of one: {lines[:3]}")
    wrong += differences(before, machine.snapshot())
    return Row(f"refused: {name}", time.monotonic() - began, wrong)


def _scene(
    machine: Machine,
    stage: Stage,
    name: str,
    words: Sequence[str],
    before: Mapping[str, str],
    *,
    stop: str | None = None,
    status: int = 0,
    said: str = "",
) -> Row:
    began = time.monotonic()
    done = machine.pnode(*words, stop=stop)
    wrong = _judge(done, status, said, stage.keep(done))
    wrong += differences(before, machine.snapshot())
    return Row(name, time.monotonic() - began, wrong)


def _used(machine: Machine, stage: Stage) -> Iterator[Row]:
    """A device that somebody has open, and one whose memory is online as system RAM."""
    words = (*_HERE, "--dax", OTHER)
    machine.order("bind", OTHER, "device_dax")
    holder = machine.order("hold", f"/dev/{OTHER}")
    yield _refused(machine, stage, "device open", words, f"/dev/{OTHER} is open", machine.snapshot())
    machine.order("end", holder)
    machine.order("bind", OTHER, None)
    if stage.kmem:
        machine.order("load", f"/pnode/{KMEM}")
        _, start, size = machine.order("bind", OTHER, "kmem")
        machine.order("blocks", start, size, "online_movable")
        yield _refused(machine, stage, "system RAM online", words, "is online system RAM", machine.snapshot())
        machine.order("blocks", start, size, "offline")
        machine.order("bind", OTHER, None)
        machine.order("unload", "kmem")


def _both_killed(machine: Machine, stage: Stage) -> Iterator[Row]:
    """Nobody is left to undo anything."""
    bare = machine.snapshot()
    began = time.monotonic()
    done = machine.pnode(*_PART, stop="both")
    wrong = _judge(done, -9, "", stage.keep(done))
    again = machine.pnode(*_HERE, "--dax", SPARE)
    wrong += _judge(again, 2, "run pnode restore", stage.keep(again))
    yield Row("runner and watchdog killed: no new run", time.monotonic() - began, wrong)
    yield _scene(
        machine, stage, "pnode restore", ["restore"], bare, said="restored: module pnode_test unloaded"
    )
    yield _scene(machine, stage, "pnode restore once more", ["restore"], bare, said="nothing to restore")


def _provisioned(machine: Machine, stage: Stage) -> Iterator[Row]:
    """A node that another driver has made, closed and open."""
    words = [*_HERE, "--output", "/tmp/runs", "--", *PROVISIONED]
    nid, start, size = machine.order("bind", SPARE, None)
    for name, flags in (("closed", 0), ("open for policies", OPEN_FLAGS)):
        machine.order("load", f"/pnode/{VENDOR}", f"nid={nid} start={start} size={size >> 1} flags={flags}")
        made = machine.snapshot()
        yield _scene(machine, stage, f"a driver's own node, {name}", words, made, said=HOLDS)
        if flags:
            yield _scene(machine, stage, "its run killed", words, made, stop="SIGKILL", status=-9)
        machine.order("write", "/sys/module/pnode_vendor/parameters/plugged", "N")
        machine.order("unload", "pnode_vendor")


def _offline_kmem(machine: Machine, stage: Stage) -> Iterator[Row]:
    """A device of kmem whose memory is offline: driver and memory blocks come back."""
    if not stage.kmem:
        return
    machine.order("load", f"/pnode/{KMEM}")
    machine.order("bind", SPARE, "kmem")
    before = machine.snapshot()
    yield _scene(machine, stage, "a device of kmem, offline", _PART, before, said=HOLDS)
    machine.order("bind", SPARE, None)
    machine.order("unload", "kmem")


#: By name, in order. Each begins and ends with nothing taken; what the play itself changes (the kernel
#: reckons some reserves anew with each hotplug) is no matter.
SCENES: dict[str, Callable[[Machine, Stage], Iterator[Row]]] = {
    "refusals": _refusals,
    "plan": _plan,
    "run": _run,
    "interrupted": _interrupted,
    "killed": _killed,
    "both-killed": _both_killed,
    "driver": _provisioned,
    "kmem": _offline_kmem,
}


def lines(rows: Sequence[Row]) -> list[str]:
    """The table."""
    out = []
    for row in rows:
        out.append(f"{'ok  ' if not row.wrong else 'BAD '} {row.seconds:6.1f} s  {row.name}")
        out += [f"        {text}" for text in row.wrong[:20]]
    bad = sum(bool(row.wrong) for row in rows)
    return [*out, f"{len(rows)} scenes, {bad} of them bad; {sum(row.seconds for row in rows):.0f} s"]


__all__ = ["SCENES", "Row", "differences", "guest", "lines", "rehearse"]

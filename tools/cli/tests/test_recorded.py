# SPDX-License-Identifier: GPL-2.0-only
"""Events that the verbs write themselves, held to the schema; a session's own are in tools/report/tests."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers import catalogue
from tools.cli import certify, session
from tools.cli.certify import Plan, Request
from tools.cli.ending import Ending
from tools.errors import UserError
from tools.guest import topology
from tools.kernel.flavour import load
from tools.paths import ROOT
from tools.report import RunLog
from tools.report.events import FILE
from tools.report.tests import strict


@pytest.fixture
def setting(tmp_path: Path) -> session.Setting:
    log = RunLog(tmp_path / FILE)
    return session.Setting(tmp_path, log, catalogue.load(), (), 120.0, lambda dialect: None)


MACHINES = [json.loads(line) for line in (ROOT / "tools/guest/tests/machines.jsonl").read_text().splitlines()]
COMMON = ("event", "time", "topology", "slot")
FACTS = [{key: one[key] for key in one if key not in COMMON} for one in MACHINES]


@pytest.mark.parametrize("found", [*FACTS, {"error": "ValueError('x')"}])
def test_guests_that_are_ready(setting: session.Setting, found: dict[str, Any]) -> None:
    console = setting.run_dir / "guests/slot0/boot0/console.log"
    guest = SimpleNamespace(
        slot=0,
        boot=SimpleNamespace(number=0, console=console),
        record={"state": "ready", "cpus": 2},
        seconds={"kernel": 1.7, "ready": None},
        machine=found,
    )
    running: Any = SimpleNamespace(guests=[guest], spec=SimpleNamespace(topology=topology.load("fast")))
    session.log_guests(running, setting)
    event, machine = setting.log.events
    assert event["console"] == "guests/slot0/boot0/console.log"
    assert (machine["event"], machine["topology"], machine["slot"]) == ("machine", "fast", 0)
    strict.check(setting.log.path)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (session.UnfitKernel("kernel 6.1 has no private memory nodes"), "usage"),
        (UserError("no guest came up"), "guest"),
        (OSError(errno.ENOSPC, "No space left on device"), "guest"),
    ],
)
def test_what_ends_a_run_early(
    setting: session.Setting, monkeypatch: pytest.MonkeyPatch, error: BaseException, kind: str
) -> None:
    def fail(*_: object) -> Callable[..., bool]:
        raise error

    monkeypatch.setattr(session, "run", fail)
    place = topology.load("fast")
    kernel: Any = SimpleNamespace(image=Path("bzImage"))
    plan = Plan((place,), {"fast": []}, load())
    certify.run_sessions(Request(), plan, kernel, Path("m.ko"), setting, Ending())
    (event,) = setting.log.events
    assert (event["event"], event["kind"], event["topology"]) == ("problem", kind, "fast")
    strict.check(setting.log.path)

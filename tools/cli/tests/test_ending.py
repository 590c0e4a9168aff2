# SPDX-License-Identifier: GPL-2.0-only
"""How a run ends: with its reports and its verdict, whatever comes in between."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import catalogue
from tools import output
from tools.cli import certify
from tools.cli import main as cli
from tools.cli.certify import Done, Opening, Plan, Request
from tools.cli.collect import Collected
from tools.cli.ending import SIGNALS, Ending
from tools.cli.subject import Subject
from tools.guest import topology
from tools.kernel import flavour
from tools.report import RunLog, finishing
from tools.report.events import read

ANY = pytest.mark.parametrize("number", SIGNALS)
PLAN = Plan(
    tuple(topology.load(name) for name in ("fast", "cxl")),
    {name: [Collected("a", ("ISO-02",))] for name in ("fast", "cxl")},
    flavour.load(),
)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Signals end a verb, as main() has it."""
    before = {number: signal.signal(number, cli.terminated) for number in SIGNALS}
    yield
    for number, handler in before.items():
        assert signal.getsignal(number) is cli.terminated
        signal.signal(number, handler)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is found out at the end of a run."""
    done: list[str] = []
    monkeypatch.setattr(certify.decode, "decode", lambda *_: done.append("decoded"))
    return done


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]) -> Callable[..., Done]:
    """A run of two topologies whose only test fails; `after` comes after that of the first."""

    def run_all(after: Callable[[], None] = lambda: None) -> Done:
        def run(guests: Any, tests: Any, setting: Any) -> bool:
            place = guests.topology.name
            certify.session.say(f"{place}: booting")
            setting.announce("v4")
            setting.log.write("plan", topology=place, tests=["a"], requirements={"a": ["ISO-02"]})
            setting.log.write("test", topology=place, nodeid="a", outcome="FAIL", requirements=["ISO-02"])
            after()
            return True

        monkeypatch.setattr(certify.session, "run", run)
        with RunLog(tmp_path / "results.jsonl", alone=True) as log:
            opening = Opening(log, {"topologies": PLAN.names, "argv": ["run"]})
            known = catalogue.load()
            setting = certify.session.Setting(tmp_path, log, known, [], 1.0, opening.write)
            kernel = Subject(Path("/i"), None, "r", "v")
            return certify.run_all(Request(guests=1), PLAN, kernel, Path("m.ko"), setting)

    return run_all


def events(run_dir: Path, name: str) -> list[Any]:
    return [event for event in read(run_dir / "results.jsonl").events if event["event"] == name]


def test_a_run_that_nobody_disturbs(go: Callable[..., Done], decoded: list[str], tmp_path: Path) -> None:
    done = go()
    assert (done.code, done.signalled, decoded) == (1, False, ["decoded"])
    assert [event["topology"] for event in events(tmp_path, "test")] == ["fast", "cxl"]


@ANY
def test_a_signal_while_reports_are_written(
    go: Callable[..., Done],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    number: int,
) -> None:
    render = finishing.junit.render

    def interrupted(*args: Any) -> str:
        send(number)
        return render(*args)

    monkeypatch.setattr(finishing.junit, "render", interrupted)
    done = go()
    assert (done.code, done.signalled) == (1, True)
    assert (tmp_path / "report.html").is_file()
    assert [event["exit"] for event in events(tmp_path, "run-end")] == [1]
    assert "the reports are being written" in capfd.readouterr().err


@ANY
def test_stacks_are_not_waited_for(
    go: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, decoded: list[str], tmp_path: Path, number: int
) -> None:
    def slow(*_: object) -> None:
        send(number)
        decoded.append("waited")

    monkeypatch.setattr(certify.decode, "decode", slow)
    assert go().code == 1
    assert decoded == []
    assert (tmp_path / "report.html").is_file()


@ANY
def test_a_second_signal_right_after_the_first(
    go: Callable[..., Done],
    monkeypatch: pytest.MonkeyPatch,
    decoded: list[str],
    tmp_path: Path,
    number: int,
) -> None:
    write = RunLog.write

    def interrupted(log: RunLog, event: str, /, **fields: object) -> Any:
        if event == "problem":
            send(number)
        return write(log, event, **fields)

    monkeypatch.setattr(RunLog, "write", interrupted)
    done = go(lambda: send(number))
    assert (done.code, decoded) == (1, [])
    assert [event["kind"] for event in events(tmp_path, "problem")] == ["interrupted"]
    assert [event["topology"] for event in events(tmp_path, "test")] == ["fast"]
    assert (tmp_path / "report.html").is_file()


def test_nobody_reads_along(go: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, output.stream(full.fileno()))
        done = go()
        monkeypatch.undo()
    assert done.code == 1
    assert [event["topology"] for event in events(tmp_path, "test")] == ["fast", "cxl"]
    assert (tmp_path / "report.html").is_file()


def test_what_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Ending() as ending:
            ending.hold()
            send(signal.SIGHUP)
        assert not ending.came
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)

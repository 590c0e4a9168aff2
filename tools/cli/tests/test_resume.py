# SPDX-License-Identifier: GPL-2.0-only
"""Going on with an interrupted run: what is left of it, and what is said against it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tools.cli import main as cli
from tools.cli import resume, run, subject
from tools.cli.certify import Plan, Request
from tools.cli.collect import Collected
from tools.errors import UserError
from tools.guest import topology
from tools.kernel import flavour
from tools.report.events import RunLog, read

SHA = "ab" * 32
START: dict[str, Any] = {
    "argv": [
        *("run", "--kernel", "arch/bzImage", "--build", "/abs", "--topology", "fast"),
        *("--repeat=2", "--seed=7"),
    ],
    "cwd": "/home/me/linux",
    "suite": "0.1.0+abc",
    "kernel": {"image_sha256": SHA, "release": "6.12.117-pnode", "version": "v"},
    "topologies": ["fast", "cxl"],
}


@pytest.fixture
def record(tmp_path: Path) -> Any:
    def go(*events: dict[str, Any], start: dict[str, Any] | None = START) -> Path:
        with RunLog(tmp_path / "results.jsonl") as log:
            for event in [*([{"event": "run-start", **start}] if start is not None else []), *events]:
                log.write(event["event"], **{key: value for key, value in event.items() if key != "event"})
        return tmp_path

    return go


def test_the_request_is_that_of_the_run(record: Any) -> None:
    start = resume.beginning(record())
    found = resume.absolute(run.request_of(start["argv"]), start)
    assert found.kernel == Path("/home/me/linux/arch/bzImage")
    assert found.build == Path("/abs")
    assert (found.topologies, found.repeat, found.seed) == (("fast",), 2, 7)
    assert found.selection == ("--repeat=2", "--seed=7")


def test_a_directory_that_is_no_run(tmp_path: Path, record: Any) -> None:
    with pytest.raises(UserError, match=r"--resume .*: no results\.jsonl in it; give the directory of a run"):
        resume.beginning(tmp_path / "gone")
    with pytest.raises(UserError, match="ended before its first guest was up; start a new run"):
        resume.beginning(record(start=None))


@pytest.mark.parametrize("argv", [["faults", "--all"], []])
def test_what_was_not_a_run(argv: Sequence[str], record: Any) -> None:
    with pytest.raises(UserError, match=r"cannot be resumed: it was not made by pnode run but by pnode "):
        resume.resume(record(start=START | {"argv": argv}), run.request_of, None)


def test_another_suite(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "suite_version", lambda: "0.1.0+def")
    with pytest.raises(UserError, match=r"began with the suite 0.1.0\+abc, this is 0.1.0\+def.*start"):
        resume.resume(record(), run.request_of, None)


def test_a_run_that_goes_on(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "suite_version", lambda: "0.1.0+abc")
    run_dir = record()
    with (
        RunLog(run_dir / "results.jsonl", alone=True),
        pytest.raises(UserError, match="this run is still going on; wait for its end, or end it"),
    ):
        resume.resume(run_dir, run.request_of, None)


@pytest.mark.parametrize(
    "words", [["--topology", "fast"], ["-k", "x"], ["--repeat", "2"], ["--known", "F"], ["--", "-x"]]
)
def test_nothing_else_can_be_asked_for(words: Sequence[str]) -> None:
    verb, args = cli.parse(["run", "--resume", "RUN", *words])
    with pytest.raises(UserError, match="--resume has the request of the run; only --guests"):
        verb.execute(args)


def test_the_number_of_guests_may_be_another() -> None:
    _, args = cli.parse(["run", "--resume", "RUN", "--guests", "1"])
    run.refuse_others(args)


class Kernel(subject.Subject):
    """A kernel that need not be there."""

    def event(self) -> dict[str, str]:
        return {"release": self.release, "version": self.version, "image_sha256": str(self.image)}


def kernel(image: str = SHA, version: str = "v") -> Kernel:
    return Kernel(Path(image), None, "6.12.117-pnode", version)


def test_the_same_kernel_by_its_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "check_paths", lambda *_: kernel())
    request = Request(kernel=Path("K"))
    assert resume.same_kernel(Path("RUN"), request, START) == kernel()
    monkeypatch.setattr(resume, "check_paths", lambda *_: kernel("cd" * 32))
    with pytest.raises(
        UserError, match=r"^RUN cannot be resumed: it began with another kernel \(image sha256 "
    ):
        resume.same_kernel(Path("RUN"), request, START)


def test_a_reference_kernel_is_looked_for_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "cached", {SHA: kernel()}.get)
    assert resume.same_kernel(Path("RUN"), Request(), START) == kernel()
    other = START | {"kernel": {"image_sha256": "cd" * 32}}
    with pytest.raises(UserError, match=r"its kernel, image sha256 cdcd.*, is not among the built ones"):
        resume.same_kernel(Path("RUN"), Request(), other)


def test_the_booted_machine_has_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    class Booted(subject.Subject):
        def event(self) -> dict[str, str]:
            return {"release": self.release, "version": self.version}

    monkeypatch.setattr(resume.here, "subject", lambda *_: Booted(Path("/"), None, "r", "v2"))
    request, start = Request(here=True), START | {"kernel": {"release": "r", "version": "v2"}}
    assert resume.same_kernel(Path("RUN"), request, start).version == "v2"
    with pytest.raises(UserError, match=r"another kernel \(version v1, now v2\)"):
        resume.same_kernel(Path("RUN"), request, START | {"kernel": {"release": "r", "version": "v1"}})


def collected(*names: str) -> list[Collected]:
    return [Collected(name, ("ISO-02",)) for name in names]


def plan(**tests: list[Collected]) -> Plan:
    return Plan(tuple(topology.load(name) for name in tests), tests, flavour.load())


def test_what_is_left() -> None:
    events = [
        {"event": "plan", "topology": "fast", "tests": ["a", "b", "c", "a~2", "b~2"]},
        {"event": "test", "topology": "fast", "nodeid": "a"},
        {"event": "test", "topology": "fast", "nodeid": "b~2"},
        {"event": "test-start", "topology": "fast", "nodeid": "b"},
        {"event": "test", "topology": "cxl-pair", "nodeid": "c"},
    ]
    whole = plan(fast=collected("a", "b", "c", "new", "a~2", "b~2"), cxl=collected("a", "x"))
    left = resume.what_is_left(whole, events)
    # a test that ran when the run ended runs again; one that the run did not plan stays out of it
    assert {name: [test.nodeid for test in tests] for name, tests in left.tests.items()} == {
        "fast": ["b", "c", "a~2"],
        "cxl": ["a", "x"],
    }
    done = [*events, *({"event": "test", "topology": "fast", "nodeid": name} for name in ("b", "c", "a~2"))]
    assert resume.what_is_left(whole, done).names == ["cxl"]
    assert [place.name for place in resume.what_is_left(whole, done).places] == ["cxl"]


def test_nothing_left(
    record: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(resume, "suite_version", lambda: "0.1.0+abc")
    monkeypatch.setattr(resume, "plan_tests", lambda _: plan(fast=collected("a", "b")))
    tests = {"event": "plan", "topology": "fast", "tests": ["a", "b"], "requirements": {}}
    results = [
        {"event": "test", "topology": "fast", "nodeid": name, "outcome": outcome, "requirements": ["ISO-02"]}
        for name, outcome in (("a", "PASS"), ("b", "FAIL"))
    ]
    run_dir = record(tests, *results, start=START | {"topologies": ["fast"]})
    for _ in range(2):
        assert resume.resume(run_dir, run.request_of, None).code == 1
    output = capfd.readouterr()
    assert output.err.count("nothing to do, every test has its result") == 2
    assert "verdict: deviation: ISO-02" in output.out
    names = [event["event"] for event in read(run_dir / "results.jsonl").events]
    assert names.count("run-end") == 1
    assert "resume" not in names


def test_a_blame_that_was_not_written_down_any_more(record: Any) -> None:
    lost = {"event": "guest", "topology": "fast", "slot": 0, "boot": 0, "state": "lost", "excerpt": "BUG: x"}
    run_dir = record(
        {"event": "plan", "topology": "fast", "tests": ["a", "b"], "requirements": {"a": ["ISO-02"]}},
        lost | {"kind": "oops", "nodeid": "a", "reason": "BUG: x", "console": "console.log"},
        lost | {"kind": "panic", "nodeid": None, "reason": "between"},
        lost | {"kind": "guest-lost", "nodeid": "c", "reason": "perhaps with the run"},
        {"event": "test", "topology": "fast", "nodeid": "b", "outcome": "FAIL"},
        lost | {"kind": "hang", "nodeid": "b", "reason": "has its result"},
    )
    with RunLog(run_dir / "results.jsonl") as log:
        resume.settle(log)
        resume.settle(log)
    tests = [event for event in read(run_dir / "results.jsonl").events if event["event"] == "test"]
    assert [test["nodeid"] for test in tests] == ["b", "a"]
    blamed = tests[1]
    assert (blamed["outcome"], blamed["kind"], blamed["requirements"]) == ("FAIL", "oops", ["ISO-02"])
    assert blamed["message"] == "oops: BUG: x"

# SPDX-License-Identifier: GPL-2.0-only
"""One step: a Makefile for a kernel, a record for a run, and the status that git gets."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.bisect import step
from tools.bisect.judgement import Code, Record, of_run
from tools.bisect.repository import Repository, open_tree
from tools.bisect.step import Job
from tools.bisect.tests.conftest import Commit, git
from tools.cli import bisect, subject
from tools.cli.certify import Done, Request
from tools.errors import UserError
from tools.kernel.errors import BuildError
from tools.paths import ROOT
from tools.report.tests.catalogue import CATALOGUE
from tools.report.verdict import judge

JOB = Job("ISO-02", ("ISO-02",))


def result(outcome: str, name: str = "a", requirement: str = "ISO-02", message: str = "") -> dict[str, Any]:
    return {
        "event": "test",
        "topology": "fast",
        "nodeid": name,
        "outcome": outcome,
        "requirements": [requirement],
        "message": message,
    }


def plan(*names: str) -> dict[str, Any]:
    return {
        "event": "plan",
        "topology": "fast",
        "tests": names,
        "requirements": {n: ["ISO-02"] for n in names},
    }


def runner(tmp_path: Path, *events: dict[str, Any]) -> Callable[[Request], Done]:
    """A run that leaves these events."""

    def run(request: Request) -> Done:
        assert request.topologies == ("fast",)
        assert request.guests == 1
        assert "--req" in request.selection
        os.write(1, b"what a run prints\n")
        (tmp_path / "results.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
        verdict = judge(events, CATALOGUE.values())
        return Done(verdict.exit, tmp_path, verdict)

    return run


@pytest.fixture
def buildable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Options that the small tree has, and nothing that a real kernel's build directory is needed for."""
    fragment = tmp_path / "fragment"
    fragment.write_text("CONFIG_NUMA=y\nCONFIG_OF_A_LATER_COMMIT=y\n")
    monkeypatch.setattr(
        step.flavour.Flavour, "options", lambda self: step.config.parse(fragment.read_text(), "f")
    )
    kernel = subject.Subject(tmp_path / "bzImage", tmp_path, "6.12.9", "6.12.9")
    monkeypatch.setattr(step.image, "inspect", lambda path: None)
    monkeypatch.setattr(step.subject, "check_paths", lambda *words: kernel)
    monkeypatch.setattr(subject.module, "build", lambda build_dir: tmp_path / "pnode_test.ko")


@pytest.mark.usefixtures("buildable")
@pytest.mark.parametrize(
    ("events", "code", "verdict", "reason"),
    [
        ([plan("a"), result("PASS")], Code.GOOD, "PASS", ""),
        ([plan("a"), result("FAIL", message="\nassert 1 == 0\n more")], Code.BAD, "FAIL", "assert 1 == 0"),
        ([plan("a", "b"), result("PASS"), result("FAIL", "b")], Code.BAD, "FAIL", ""),
        ([plan("a"), result("ERROR", message="E")], Code.SKIP, "ERROR", "E"),
        ([plan("a", "b"), result("PASS")], Code.SKIP, "MISS", "never started"),
        ([plan("a"), result("SKIP", message="no swap")], Code.SKIP, "SKIP", "no swap"),
        ([plan("a", "a~2"), result("PASS"), result("FAIL", "a~2")], Code.BAD, "FLAKY", None),
        ([plan("a", "a~2"), result("PASS"), result("ERROR", "a~2")], Code.SKIP, "FLAKY", None),
        (
            [{"event": "problem", "kind": "usage", "message": "speaks dialect d1"}],
            Code.SKIP,
            "MISS",
            "speaks dialect d1",
        ),
        ([plan("a"), result("PASS", requirement="DSC-01")], Code.SKIP, "MISS", "no test ran"),
    ],
)
def test_verdicts(
    clone: Repository,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    events: list[dict[str, Any]],
    code: Code,
    verdict: str,
    reason: str | None,
) -> None:
    found = step.judge(JOB, clone, clone.path / "build", runner(tmp_path, *events))
    assert (found.code, found.verdict) == (code, verdict)
    assert reason is None or found.reason == reason
    assert found.commit == clone.head()
    out, err = capfd.readouterr()
    assert "what a run prints" not in out + err
    assert err.splitlines()[-1].startswith(f"pnode: bisect: {found.commit[:12]} {verdict}, ")
    assert clone.git("status", "--porcelain", "--untracked-files=no", what="x") == ""


@pytest.mark.usefixtures("buildable")
def test_objects_stay_from_commit_to_commit(clone: Repository, commit: Commit, tmp_path: Path) -> None:
    objects = clone.path / "build"
    for text in ("one", "two"):
        commit(text)
        step.judge(JOB, clone, objects, runner(tmp_path, plan("a"), result("PASS")))
        assert (objects / "arch/x86/boot/bzImage").read_text() == f"{text}\n"
        (objects / "kept").touch()


@pytest.mark.usefixtures("buildable")
def test_objects_of_a_build_that_was_cut_short_go(
    clone: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = clone.path / "build"
    run = runner(tmp_path, plan("a"), result("PASS"))

    def compile_half(*words: object) -> int:
        (objects / ".manager.o.cmd").write_text("savedcmd := $(wildcard")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(step.build, "compile_all", compile_half)
        with pytest.raises(KeyboardInterrupt):
            step.judge(JOB, clone, objects, run)
    assert step.judge(JOB, clone, objects, run).code is Code.GOOD
    assert not (objects / ".manager.o.cmd").exists()
    # An end that make came to by itself leaves good objects.
    with monkeypatch.context() as patch:
        patch.setattr(step.build, "compile_all", fail_to_build)
        (objects / "kept").touch()
        assert step.judge(JOB, clone, objects, run).verdict == "no build"
    assert step.judge(JOB, clone, objects, run).code is Code.GOOD
    assert (objects / "kept").exists()


def fail_to_build(*words: object) -> int:
    raise BuildError("an error")


def refuse(request: Request) -> Done:
    raise AssertionError("nothing to run")


@pytest.mark.usefixtures("buildable")
def test_a_commit_that_does_not_build(clone: Repository, commit: Commit) -> None:
    commit("BROKEN")
    found = step.judge(JOB, clone, clone.path / "build", refuse)
    assert (found.code, found.verdict) == (Code.SKIP, "no build")
    assert "mm/page.c:1:1: error: it is broken (log: " in found.reason


@pytest.mark.usefixtures("buildable")
def test_a_module_that_does_not_build(clone: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(build_dir: Path) -> Path:
        raise BuildError("building the test module failed")

    monkeypatch.setattr(subject.module, "build", build)
    found = step.judge(JOB, clone, clone.path / "build", refuse)
    assert (found.code, found.reason) == (Code.SKIP, "building the test module failed")


def test_a_commit_from_before_the_series(clone: Repository) -> None:
    git(clone.path, "rm", "--quiet", "include/linux/node_private.h")
    git(clone.path, "commit", "--quiet", "--message=before")
    found = step.judge(JOB, clone, clone.path / "build", refuse)
    assert (found.code, found.verdict) == (Code.SKIP, "no private nodes")


@pytest.mark.usefixtures("buildable")
def test_a_lost_option_is_no_verdict(clone: Repository, tmp_path: Path) -> None:
    more = tmp_path / "more.config"
    more.write_text("CONFIG_UNMET=y\n")
    found = step.judge(Job("ISO-02", ("ISO-02",), fragment=more), clone, clone.path / "build", refuse)
    assert (found.code, found.verdict) == (Code.SKIP, "no build")
    assert "1 option(s) of the fragment are lost: CONFIG_UNMET=y came out as n" in found.reason


@pytest.mark.usefixtures("buildable")
def test_an_interrupted_run_is_no_verdict(clone: Repository, tmp_path: Path) -> None:
    events = [plan("a"), {"event": "problem", "kind": "interrupted", "message": "interrupted"}]
    with pytest.raises(KeyboardInterrupt):
        step.judge(JOB, clone, clone.path / "build", runner(tmp_path, *events))


@pytest.mark.usefixtures("buildable")
def test_a_full_disk_is_no_verdict(clone: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step.build, "GIB", 1 << 60)
    with pytest.raises(UserError, match="are free"):
        step.judge(JOB, clone, clone.path / "build", refuse)


@pytest.mark.usefixtures("buildable")
def test_step_of_a_killed_bisect_still_at_work(clone: Repository) -> None:
    objects = clone.path / "build"
    with step._alone(objects), pytest.raises(UserError, match="another step is at work"):
        step.judge(JOB, clone, objects, refuse)


def test_a_tree_that_was_built_in(clone: Repository) -> None:
    (clone.path / ".config").touch()
    with pytest.raises(UserError, match="make mrproper first"):
        step.judge(JOB, clone, clone.path / "build", refuse)


def test_record_survives_a_line_cut_short(tmp_path: Path) -> None:
    record = Record(tmp_path / "steps.jsonl")
    assert record.read() == {}
    found = step.Judgement("c" * 40, "mm: x", Code.BAD, "FAIL", "why", "runs/1", 61.0)
    record.add(found)
    with record.path.open("a") as stream:
        stream.write('{"commit": "d')
    assert record.read() == {found.commit: found}
    assert found.line == f"{'c' * 12} FAIL, bad (1), 1:01 min: why  [mm: x]"


def test_requirement_of_level_should_deviates_as_well() -> None:
    events = [
        {"event": "run-start", "topologies": ["fast"]},
        {"event": "plan", "topology": "fast", "tests": ["a"], "requirements": {"a": ["DSC-12"]}},
        result("FAIL", requirement="DSC-12"),
    ]
    verdict = judge(events, CATALOGUE.values())
    assert verdict.exit == 0
    assert of_run(verdict, ["DSC-12"], events)[0] is Code.BAD


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (UserError("no QEMU"), Code.ABORT),
        (KeyboardInterrupt(), Code.INTERRUPTED),
        (OSError(28, "No space left on device"), Code.ABORT),
        (RuntimeError("a bug"), Code.ABORT),
    ],
)
def test_nothing_but_a_verdict_ends_below_128(
    clone: Repository, monkeypatch: pytest.MonkeyPatch, raised: BaseException, status: Code
) -> None:
    def judge_nothing(*words: object) -> object:
        raise raised

    monkeypatch.setattr(bisect, "prepare", lambda args: JOB)
    monkeypatch.setattr(bisect.step, "judge", judge_nothing)
    parser = argparse.ArgumentParser()
    bisect.configure(parser)
    args = parser.parse_args(["ISO-02", "--step", "--tree", str(clone.path)])
    assert bisect.one_step(args) == status >= 128


def test_bad_words_do_not_make_a_bad_commit(clone: Repository) -> None:
    argv = [sys.executable, "-P", ROOT / "tools/cli/__main__.py", "bisect", "ISO-02", "--step", "--tre", "x"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == Code.ABORT
    assert done.stderr.startswith("pnode: unrecognized arguments: --tre x")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("absent", "no such directory"),
        ("plain", "not a git repository"),
        ("foreign", "no Kconfig at its top, so it is not a kernel tree"),
    ],
)
def test_trees_that_cannot_be_bisected(tmp_path: Path, place: str, reason: str) -> None:
    path = tmp_path / place
    if place != "absent":
        path.mkdir()
    if place == "foreign":
        git(path, "init", "--quiet")
    with pytest.raises(UserError, match=reason):
        open_tree(path)


def test_names_of_commits(clone: Repository) -> None:
    git(clone.path, "tag", "v6.12")
    assert clone.commit("v6.12") == clone.head()
    for name in ("v6.13", "--all", "HEAD:Makefile"):
        with pytest.raises(UserError, match="names no commit"):
            clone.commit(name)


def test_words_of_a_job_mean_the_same_job(tmp_path: Path) -> None:
    fragment = tmp_path / "x.config"
    job = Job("ISO-02", ("ISO-02",), "cxl", "some test", "debug", fragment, 3, 2)
    parser = argparse.ArgumentParser()
    bisect.configure(parser)
    args = parser.parse_args(job.words)
    got = (args.requirement, args.topology, args.keyword, args.flavour, args.config, args.repeat, args.jobs)
    assert got == ("ISO-02", "cxl", "some test", "debug", fragment, 3, 2)
    assert Job("ISO-02", ("ISO-02",)).words == ["ISO-02"]

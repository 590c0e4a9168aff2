# SPDX-License-Identifier: GPL-2.0-only
"""Which stacks get file and line at the end of a run, and what a session tells pytest about exceptions."""

import json
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pytest

from helpers import catalogue
from helpers.allowed import decode as decode_allowed
from tools.cli import decode
from tools.cli.collect import Collected
from tools.cli.session import Setting
from tools.cli.subject import Subject
from tools.known import Entry, Match
from tools.known.entry import ALLOWED, KNOWN
from tools.report import RunLog


class Fake:
    """A vmlinux that knows every line."""

    made: ClassVar[list[Path]] = []
    fits = True

    def __init__(self, build_dir: Path, seconds: float) -> None:
        self.made.append(build_dir)

    def is_of(self, release: str, version: str) -> bool:
        return self.fits

    def annotate(self, texts: list[str]) -> list[str]:
        return [text.replace("f+0x1/0x2", "f+0x1/0x2 (mm/x.c:1)") for text in texts]


@pytest.fixture
def log(tmp_path: Path) -> Any:
    with RunLog(tmp_path / "results.jsonl") as log:
        yield log


@pytest.fixture(autouse=True)
def vmlinux(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    monkeypatch.setattr(decode, "Vmlinux", Fake)
    monkeypatch.setattr(Fake, "made", [])
    monkeypatch.setattr(Fake, "fits", True)
    return Fake


KERNEL = Subject(Path("/i"), Path("/build"), "6.12", "v")


def splat(log: RunLog, digest: str, text: str | None, allowed: str | None = None) -> None:
    what = {"kind": "WARNING", "what": "WARNING", "functions": ["f"], "title": "t"}
    log.write(
        "splat", topology="fast", nodeid="a", digest=digest, text=text, allowed=allowed, by=None, **what
    )


def decoded(log: RunLog) -> list[tuple[str, str]]:
    return [(event["digest"], event["text"]) for event in log.events if event["event"] == "decoded"]


def test_what_the_summary_shows_is_decoded_once(log: RunLog) -> None:
    splat(log, "1", " f+0x1/0x2")
    splat(log, "1", None)
    splat(log, "2", " g+0x1/0x2")
    splat(log, "3", " f+0x1/0x2", allowed="provoked")
    decode.decode(log, KERNEL)
    decode.decode(log, KERNEL)
    assert decoded(log) == [("1", " f+0x1/0x2 (mm/x.c:1)")]


def test_nothing_is_looked_at_without_need(log: RunLog, vmlinux: type[Fake]) -> None:
    splat(log, "3", " f+0x1/0x2", allowed="provoked")
    decode.decode(log, KERNEL)
    splat(log, "1", " f+0x1/0x2")
    decode.decode(log, Subject(Path("/i"), None, "6.12", "v"))
    assert vmlinux.made == []
    vmlinux.fits = False
    decode.decode(log, KERNEL)
    assert decoded(log) == []


def entry(table: str, **match: Any) -> Entry:
    return Entry(f"k: [[{table}]]", table, "r", "https://x", date(2099, 1, 1), Match(**match))


def test_a_session_is_told_what_is_allowed_where_it_runs(log: RunLog, tmp_path: Path) -> None:
    argv = ["run", "--flavour", "debug", "-k", "x"]
    log.write("run-start", dialect="v4", kernel={"release": "6.12.117-pnode"}, argv=argv)
    exceptions = [
        entry(ALLOWED, text="everywhere"),
        entry(ALLOWED, splat=("1" * 12, "2" * 12), topology=("fast",), release=("6.12.*",)),
        entry(ALLOWED, text="other", dialect=("v5",)),
        entry(ALLOWED, text="no test", during=("boot", "between")),
        entry(KNOWN, requirement=("ISO",)),
    ]
    tests = [Collected("a[é]", ()), Collected("b", ())]
    setting = Setting(tmp_path, log, catalogue.load(), ["-k", "x"], 1.0, print, exceptions)
    assert setting.words("cxl", tests)[:2] == ["-k", "x"]
    assert "--again=tools/pnode run --flavour debug --topology cxl" in setting.words("cxl", tests)
    (given,) = [word for word in setting.words("fast", tests) if word.startswith("--allowed-splats=")]
    found = decode_allowed(given.partition("=")[2])
    assert [(one.text, one.splat) for one in found] == [
        ("everywhere", None),
        (None, "1" * 12),
        (None, "2" * 12),
    ]
    assert [one.during for one in setting.allowed("cxl")] == [None, "boot", "between"]
    resumed = Setting(tmp_path, log, catalogue.load(), [], 1.0, print, resumed=True)
    assert resumed.words("fast", tests)[-1:] == [f"--remaining={json.dumps(['a[é]', 'b'])}"]

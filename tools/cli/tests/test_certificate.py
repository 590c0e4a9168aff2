# SPDX-License-Identifier: GPL-2.0-only
"""certify and verify as a user calls them: what they print, where, and their exit statuses."""

import base64
import errno
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.certificate import keys
from tools.certificate.evidence import load
from tools.certificate.tests.conftest import CATALOGUE, GOLDEN, ROWS, Record, overlooking, start
from tools.cli import certificate as verb
from tools.cli import main as cli
from tools.paths import ROOT


class Known(dict[str, object]):
    hash = CATALOGUE


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue that the record is of."""
    monkeypatch.setattr(verb, "load_catalogue", lambda: Known({row.id: row for row in ROWS}))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    Record(folder).write()
    keys.new_pair(tmp_path / "key")
    return folder


def call(*words: object) -> int:
    return cli.main([str(word) for word in words])


def test_a_run_is_certified_and_the_certificate_holds(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = run.parent / "key"
    assert call("certify", run, "--key", key) == 0
    out = capsys.readouterr().out
    assert "result:     PASSED: 7 requirements hold, 0 with a warning, 1 could not be tested" in out
    assert "device:     cxl-pair: 0x8086:0x0d93, serial 0x2, firmware BWFW VERSION 00" in out
    file = run / "certificate.json"
    assert out.endswith(f"certificate: {file}\n")
    assert json.loads(file.read_text())["payloadType"] == "application/vnd.in-toto+json"
    assert call("verify", file, "--key", f"{key}.pub") == 0
    assert "good: signed by" in capsys.readouterr().out
    assert call("verify", file, "--key", f"{key}.pub", "--results", run / "results.jsonl") == 0
    assert "the record leads to the same statement" in capsys.readouterr().out


def test_waivers_and_profile_go_into_it(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waivers = run / "waivers.toml"
    waivers.write_text('[CXL-06]\nreason = "x"\nlink = "https://x.example"\nexpires = 9999-12-31\n')
    profile = ROOT / "tools/certificate/profiles/qemu-type3.toml"
    out = run.parent / "c.json"
    words = ["--waivers", waivers, "--profile", profile, "--out", out, "--url", "https://x.example/run"]
    assert call("certify", run, "--key", run.parent / "key", *words) == 0
    text, errors = capsys.readouterr()
    assert errors == "pnode: CXL-06 is waived and holds: its waiver is not needed\n"
    assert "WARNED: 6 requirements hold, 1 with a warning" in text
    assert "waived:     CXL-06 until 9999-12-31" in text
    assert "profile:    QEMU CXL type-3, firmware BWFW VERSION *" in text
    assert call("verify", out, "--key", run.parent / "key.pub", "--results", run) == 0


def test_what_was_overlooked_or_left_out_is_shown(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(events: list[dict[str, Any]]) -> None:
        overlooking(events)
        start(events)["selection"] = ["-k", "not policy"]

    Record(run).write(change)
    assert call("certify", run, "--key", run.parent / "key") == 2
    assert "not certified: the run had a choice of tests: -k 'not policy'; run" in capsys.readouterr().err
    assert call("certify", run, "--key", run.parent / "key", "--partial") == 0
    out = capsys.readouterr().out
    assert "result:     WARNED: 7 requirements hold, 0 with a warning" in out
    assert "choice:     -k 'not policy'\n" in out
    assert "overlooked: known.toml: [[allowed]] 1, allowed 3 splats: this board's firmware\n" in out


@pytest.mark.parametrize(
    ("words", "url"), [([], "https://x.example/1/"), (["--url", "https://y"], "https://y")]
)
def test_where_the_run_is_published(run: Path, words: list[str], url: str) -> None:
    def change(events: list[dict[str, Any]]) -> None:
        start(events)["files_url"] = "https://x.example/1/"

    Record(run).write(change)
    assert call("certify", run, "--key", run.parent / "key", *words) == 0
    payload = json.loads((run / "certificate.json").read_text())["payload"]
    assert json.loads(base64.b64decode(payload))["predicate"]["url"] == url


def test_what_is_refused_leaves_no_certificate(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = Record(run)
    record.write(lambda events: [e.update(armed=["gate_bulk"]) for e in events if e["event"] == "machine"])
    assert call("certify", run, "--key", run.parent / "key") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"pnode: {run}: not certified: cxl-pair slot0 ran a kernel that is broken")
    assert not (run / "certificate.json").exists()


def test_a_device_that_does_not_fit_its_profile(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = run / "m1.toml"
    profile.write_text(
        '[m1]\nvendor = "0x1234"\ndevice = "0x0d93"\nmodel = "M"\nfirmware = "*"\nflags = []\n'
    )
    assert call("certify", run, "--key", run.parent / "key", "--profile", profile) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("profile m1: vendor of mem0 (serial 0x2) is 0x8086, not 0x1234")


def test_a_changed_certificate_is_not_good(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, file = run.parent / "key", run / "certificate.json"
    assert call("certify", run, "--key", key) == 0
    text = file.read_text()
    file.write_text(text.replace('"sig": "', '"sig": "AAAA', 1))
    assert call("verify", file, "--key", f"{key}.pub") == 1
    assert f"pnode: {file}: not good: envelope: " in capsys.readouterr().err
    file.write_text(text[:100])
    assert call("verify", file, "--key", f"{key}.pub") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["certify"], "certify needs RUN and --key FILE"),
        (["certify", "{run}"], "certify needs RUN and --key FILE"),
        (["certify", "{run}", "--key", "{run}"], "Is a directory"),
        (["certify", "{run}/none", "--key", "{key}"], "give the directory of a run"),
        (["certify", "{run}", "--new-key", "{key}2"], "--new-key only makes keys"),
        (["certify", "--new-key", "{key}"], "exists; keys are never overwritten"),
        (["certify", "{run}", "--key", "{key}", "--url", "ftp://x"], "no http or https link"),
        (["certify", "{run}", "--key", "{key}", "--out", "{run}/no/c.json"], "give another --out"),
        (["certify", "{run}", "--key", "{key}", "--waivers", "{run}/none"], "No such file"),
        (["verify", "{run}/none", "--key", "{key}.pub"], "No such file"),
        (["verify", "{run}/results.jsonl", "--key", "{key}.pub"], "not JSON"),
        (["verify", "{run}/results.jsonl", "--key", "{key}"], "a private key; checking takes the public one"),
    ],
)
def test_bad_input_is_one_line(
    run: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    given = [word.format(run=run, key=run.parent / "key") for word in words]
    assert call(*given) == 2
    error = capsys.readouterr().err
    assert error.startswith("pnode: ")
    assert line in error
    assert len(error.splitlines()) == 1
    assert not list(run.glob(".*"))


def test_a_full_disk_leaves_the_old_certificate(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "certificate.json").write_text("old")
    real = Path.write_text

    def full(path: Path, text: str) -> int:
        real(path, text[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert call("certify", run, "--key", run.parent / "key") == 2
    assert f"no space left in {run} (ENOSPC)" in capsys.readouterr().err
    assert (run / "certificate.json").read_text() == "old"
    assert not list(run.glob(".*"))


def test_the_default_place_is_beside_the_record(run: Path) -> None:
    assert call("certify", run / "results.jsonl", "--key", run.parent / "key") == 0
    assert (run / "certificate.json").is_file()


@pytest.mark.parametrize("words", [["verify", "x", "--key", "y"], ["certify", "--new-key", "z"]])
def test_a_missing_library_is_one_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "securesystemslib.dsse", None)
    assert call(*words) == 2
    error = capsys.readouterr().err
    assert error.startswith("pnode: certificates need the Python package securesystemslib; install: ")
    assert len(error.splitlines()) == 1


def test_the_golden_record_is_a_clean_one() -> None:
    assert load(GOLDEN, ROWS).run["suite"].startswith("0.1.0+")

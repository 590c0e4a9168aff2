# SPDX-License-Identifier: GPL-2.0-only
"""Reports made again, and read by others."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.cli import check
from tools.cli import main as cli
from tools.cli import report as verb
from tools.errors import UserError
from tools.report import readers
from tools.report.readers.check import Checked

GOLDEN = Path(verb.__file__).parents[1] / "report/tests/golden"


def report(*words: str | Path) -> int:
    _, args = cli.parse(["report", *map(str, words)])
    return verb.execute(args)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run whose reports have been made."""
    source = GOLDEN / "deviations-of-every-kind.jsonl"
    (tmp_path / "results.jsonl").write_bytes(source.read_bytes())
    assert report(tmp_path) == 1
    return tmp_path


READERS = ("--reader", "tap", "--reader", "junit", "--reader", "kcidb", "--reader", "schema")


def test_others_read_the_reports_as_they_are(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in run_dir.iterdir()}
    capsys.readouterr()
    assert report(run_dir, *READERS) == 0
    lines = capsys.readouterr().out.splitlines()
    files = ["results.jsonl", "results.tap", "junit.xml", "kcidb.json"]
    assert [line.partition(":")[0] for line in lines] == files
    assert all(line.endswith(" reads 8 tests as we do") for line in lines)
    assert {path.name: path.stat().st_mtime_ns for path in run_dir.iterdir()} == before


def test_one_that_reads_something_else_is_status_1(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_dir / "results.tap"
    path.write_text(path.read_text().replace("# not ok 1 isolation", "# ok 1 isolation", 1))
    capsys.readouterr()
    assert report(run_dir, "--check") == 1
    text = capsys.readouterr().out
    assert "  fast.ISO isolation.test_gate.test_full: we say FAIL, it reads PASS\n" in text
    assert report(run_dir) == 1
    assert report(run_dir, *READERS) == 0, "made again, they are right again"


def test_origin_and_address_can_be_given_afterwards(run_dir: Path) -> None:
    assert report(run_dir, "--kcidb-origin", "lab_1", "--files-url", "https://example.org/r") == 1
    data = json.loads((run_dir / "kcidb.json").read_text())
    assert data["builds"][0]["origin"] == "lab_1"
    urls = [file["url"] for test in data["tests"] for file in test.get("output_files", ())]
    assert set(urls) == {"https://example.org/r/guests/slot1/boot0/console.log"}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--check", "--kcidb-origin", "lab"], "--check reads the reports as they are"),
        (["--reader", "tap", "--files-url", "https://example.org"], "--check reads the reports as they are"),
    ],
)
def test_what_makes_no_sense_together(run_dir: Path, words: Sequence[str], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        report(run_dir, *words)


def test_a_directory_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no results.jsonl in it; give the directory of a run"):
        report(tmp_path, "--check")


def test_check_counts_each_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [Checked("a", "r 1", 3), Checked("b", "s 1", 3, ("x",)), Checked("c", "t", missing="no t")]
    monkeypatch.setattr(readers, "check", lambda run_dir, names: results)
    assert check.independent_readers(tmp_path) == (check.Counts(1, 1, 1), 1)
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path),
        "a: r 1 reads 3 tests as we do",
        "b: s 1 does not read it as we do (3 tests):",
        "  x",
        "c: not read by t: no t",
    ]
    monkeypatch.setattr(readers, "check", lambda run_dir, names: [results[0], results[2]])
    assert check.independent_readers(tmp_path, ["schema"]) == (check.Counts(1, 0, 1), 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty; give the directory of a run"),
        (b"\x7fELF\0\1\2\n", "not the record of a run; give the directory"),
        (b'{"event": "run-start", "schema": 99}\n', "events of version 99, this pnode reads 1"),
        (b'{"event": "test", "outcome": "PASS"}\n', r"not the record of a run of this pnode \(KeyError"),
    ],
)
def test_what_is_no_record_is_left_as_it_is(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "results.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=reason):
        report(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]
    assert (tmp_path / "results.jsonl").read_bytes() == content


@pytest.mark.parametrize("lost", ["run-start", "plan"])
def test_a_record_without_its_beginning_is_no_pass(
    tmp_path: Path, lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (GOLDEN / "a-should-deviates.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "results.jsonl").write_text(
        "".join(line for line in lines if f'"event":"{lost}"' not in line)
    )
    assert report(tmp_path) == 3
    assert "no must deviates, but the record has lost its beginning" in capsys.readouterr().out


@pytest.fixture
def faults_run(tmp_path: Path) -> Path:
    """A run of pnode faults: one fault, survived."""
    row = {"fault": "gate-bulk", "fate": "survived", "reds": [], "green": [], "unclean": [], "seconds": 1.0}
    events = [
        {
            "event": "run-start",
            "time": 1.0,
            "schema": 1,
            "run": "r",
            "argv": ["faults"],
            "topologies": ["fast"],
        },
        {"event": "faults", "time": 2.0, "rows": [row], "seconds": 1.0},
    ]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return tmp_path


def test_the_report_of_a_run_of_faults_is_its_matrix(
    faults_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(faults_run) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["gate-bulk", "survived"]
    assert "1 faults armed: 0 caught, 1 survived" in lines[-2]
    assert [path.name for path in faults_run.iterdir()] == ["results.jsonl"], "it is no suite"


def test_a_run_of_faults_has_a_record_to_read(faults_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(faults_run, "--check")
    (line,) = capsys.readouterr().out.splitlines()[:1]
    assert line.startswith("results.jsonl: jsonschema")
    with pytest.raises(UserError, match="it has a record only, nothing for tap"):
        report(faults_run, "--reader", "tap")

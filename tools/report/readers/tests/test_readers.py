# SPDX-License-Identifier: GPL-2.0-only
"""Recorded and made-up runs, read by others; and reports that were tampered with."""

import io
import json
import os
from importlib import metadata

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tools.report import finishing
from tools.report.readers import kunit
from tools.report.readers.check import READERS, Checked, check, lines, status
from tools.report.readers.reader import NAMES, NotThere
from tools.report.readers.tests import hostile
from tools.report.tests.catalogue import CATALOGUE
from tools.report.tests.test_reports import GOLDEN, RUNS


@pytest.fixture(scope="module")
def there():
    """Names of the readers that this machine has: kunit's parser comes with the first kernel build."""
    try:
        kunit.find()
    except NotThere:
        return tuple(name for name in NAMES if name != "kunit")
    return NAMES


def reported(directory, source):
    """A run's directory with all reports."""
    (directory / "results.jsonl").write_bytes(source)
    finishing.finish(directory, catalogue=CATALOGUE, stream=io.StringIO())
    return directory


def agreed(run_dir, names):
    results = check(run_dir, names, CATALOGUE)
    assert [one.file for one in results if not one.agrees] == [], "\n".join(lines(results))
    assert len(results) == len(names)
    return results


def test_names_are_of_the_readers_in_their_order():
    assert tuple(reader.name for reader in READERS) == NAMES


@pytest.mark.parametrize("name", RUNS)
def test_recorded_runs_are_read_as_we_mean_them(name, there, tmp_path):
    run_dir = reported(tmp_path, (GOLDEN / f"{name}.jsonl").read_bytes())
    results = agreed(run_dir, there)
    assert len({one.tests for one in results if one.reader.partition(" ")[0] != "jsonschema"}) == 1
    assert status(results, there) == 0


def test_a_run_without_a_single_event_is_read_as_nothing(there, tmp_path):
    assert {one.tests for one in agreed(reported(tmp_path, b""), there)} == {0}


# Always the same examples, so that a change is what breaks it; PNODE_EXAMPLES=400 looks for more. The readers
# tell what failed, so nothing is shrunk.
@settings(
    max_examples=int(os.environ.get("PNODE_EXAMPLES", "10")),
    deadline=None,
    derandomize="PNODE_EXAMPLES" not in os.environ,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(hostile.records())
def test_hostile_content_is_read_as_we_mean_it(there, tmp_path_factory, events):
    source = "".join(json.dumps(event) + "\n" for event in events).encode()
    agreed(reported(tmp_path_factory.mktemp("run"), source), there)


@pytest.fixture
def run_dir(tmp_path):
    return reported(tmp_path, (GOLDEN / "deviations-of-every-kind.jsonl").read_bytes())


TAMPERED = [
    ("schema", "results.jsonl", '"duration":0.31', '"duration":-1', "-1 is less than the minimum of 0"),
    ("kunit", "results.ktap", "ok 1 discovery", "not ok 1 discovery", "we say PASS, it reads FAIL"),
    ("kunit", "results.ktap", "        1..3\n", "        1..4\n", "missing expected subtest!"),
    ("kunit", "results.ktap", "ok 1 discovery.", "ok 1 other.", "it does not see it"),
    ("tap", "results.tap", "# not ok 1 isolation.test_gate.test_full", "# x", "a line of category unknown"),
    ("tap", "results.tap", "# ERROR exception", "", "we say ERROR, it reads FAIL"),
    ("tap", "results.tap", "# # | ", "# # 1..2 ", "a comment that reads as a result"),
    ("tap", "results.tap", "1..5\n", "1..6\n", "the plan: says 6, has 5"),
    ("junit", "junit.xml", "failure", "skipped", "we say FAIL, it reads SKIP"),
    ("junit", "junit.xml", 'outcome" value="FAIL"', 'outcome" value="PASS"', "its property says PASS"),
    ("junit", "junit.xml", "</testsuites>", "", "cannot be read: ParseError"),
    ("kcidb", "kcidb.json", '"status": "MISS"', '"status": "PASS"', "we say MISS, it reads PASS"),
    ("kcidb", "kcidb.json", '"status": "MISS"', '"status": null', "cannot be read: ValidationError"),
    ("kcidb", "kcidb.json", '"build_id": "pnode:', '"build_id": "pnode:x', "no build pnode:x"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file", "old", "new", "told"), TAMPERED)
def test_what_is_not_as_we_say_is_found(name, file, old, new, told, there, run_dir):
    if name not in there:
        pytest.skip("no kernel source with kunit_parser.py")
    path = run_dir / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    results = check(run_dir, [name], CATALOGUE)
    assert told in "\n".join(lines(results))
    assert status(results) == status(results, [name]) == 1


def test_a_report_that_is_not_there_is_not_agreed_on(run_dir):
    (run_dir / "kcidb.json").unlink()
    (one,) = check(run_dir, ["kcidb"], CATALOGUE)
    assert not one.agrees
    assert list(lines([one]))[1] == "  there is no such file; pnode report makes it"
    assert status([one]) == 1


def test_a_reader_that_is_not_installed_has_not_agreed(run_dir, monkeypatch):
    def version(package):
        if package in ("tap.py", "kcidb-io"):
            raise metadata.PackageNotFoundError(package)
        return "1"

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setenv(kunit.VARIABLE, str(run_dir))
    results = check(run_dir, (), CATALOGUE)
    assert [one.agrees for one in results] == [True, False, False, True, False]
    text = list(lines(results))
    assert text[1] == (
        f"results.ktap: not read by kunit: {run_dir}: no tools/testing/kunit/kunit_parser.py in it"
    )
    assert text[2] == "results.tap: not read by tap: tap.py is not installed (pip install tap.py)"
    assert status(results) == 0, "the others agree"
    assert status(check(run_dir, ["tap"], CATALOGUE), ["tap"]) == 2
    assert status([one for one in results if one.missing]) == 2, "nobody has read anything"


def test_only_the_first_differences_are_shown():
    text = list(lines([Checked("f", "r 1", 40, tuple(map(str, range(40))))]))
    assert text[0] == "f: r 1 does not read it as we do (40 tests):"
    assert text[-1] == "  ... and 30 more"
    assert len(text) == 12


def test_kunit_leaves_nothing_in_the_source(there, run_dir):
    if "kunit" not in there:
        pytest.skip("no kernel source with kunit_parser.py")
    before = sorted((kunit.find() / "tools/testing/kunit").rglob("*"))
    agreed(run_dir, ["kunit"])
    assert sorted((kunit.find() / "tools/testing/kunit").rglob("*")) == before


PARSER = """
import dataclasses, enum, kunit_printer
class Status(enum.Enum):
    SUCCESS = 1
@dataclasses.dataclass
class Counts:
    passed: int = 1
    failed: int = 0
    skipped: int = 0
    crashed: int = 0
    errors: int = 1
class Test:
    def __init__(self, name, *below):
        self.name, self.status, self.subtests, self.counts = name, Status.SUCCESS, below, Counts()
def parse_run_tests({arguments}):
    {printer}.print_with_timestamp("[ERROR] Test: main: of " + lines[0].strip())
    return Test("main", Test("fast", Test("ISO", Test("a.b"))))
"""
PRINTER = """
import sys
class Printer:
    def __init__(self, output): self.output = output
    def print_with_timestamp(self, text): print("[12:00:00]", text, file=self.output)
stdout = Printer(sys.stdout)
"""


@pytest.mark.parametrize(
    ("arguments", "printer"), [("lines", "kunit_printer.stdout"), ("lines, printer", "printer")]
)
def test_kunit_of_older_and_newer_kernels(arguments, printer, tmp_path, monkeypatch):
    directory = tmp_path / "tools/testing/kunit"
    directory.mkdir(parents=True)
    (directory / "kunit_parser.py").write_text(PARSER.format(arguments=arguments, printer=printer))
    (directory / "kunit_printer.py").write_text(PRINTER)
    (tmp_path / "Makefile").write_text("VERSION = 7\nPATCHLEVEL = 1\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n")
    monkeypatch.setenv(kunit.VARIABLE, str(tmp_path))
    (tmp_path / "results.ktap").write_text("KTAP version 1\n")
    seen = kunit.KunitReader().read(tmp_path / "results.ktap")
    assert seen.tests == {"fast ISO a.b": "PASS"}
    assert seen.groups == {"fast": "PASS", "fast ISO": "PASS"}
    assert seen.complaints == ["Test: main: of KTAP version 1"]
    assert kunit.KunitReader().version() == "kunit_parser of Linux 7.1.0"
    assert sorted(path.name for path in directory.iterdir()) == ["kunit_parser.py", "kunit_printer.py"]


def test_a_kunit_that_breaks_has_not_agreed(run_dir, monkeypatch):
    directory = run_dir / "tools/testing/kunit"
    directory.mkdir(parents=True)
    (directory / "kunit_parser.py").write_text("raise RuntimeError('too new')\n")
    (directory / "kunit_printer.py").touch()
    (run_dir / "Makefile").touch()
    monkeypatch.setenv(kunit.VARIABLE, str(run_dir))
    (one,) = check(run_dir, ["kunit"], CATALOGUE)
    assert one.differences == ("cannot be read: ValueError: it broke: RuntimeError: too new",)
    assert status([one]) == 1


def test_a_reason_to_skip_that_begins_like_a_known_failure(there, tmp_path):
    name = "selftests/isolation/test_gate.py::test_full"
    events = [
        {"event": "run-start", "time": 1.0, "schema": 1, "run": "r", "topologies": ["fast"], "argv": ["run"]},
        {"event": "plan", "time": 1.0, "topology": "fast", "tests": [name],
         "requirements": {name: ["ISO-02"]}},
        {"event": "test", "time": 2.0, "topology": "fast", "nodeid": name, "outcome": "SKIP", "kind": None,
         "requirements": ["ISO-02"], "message": "KNOWN: no such zone", "duration": 0.1},
    ]  # fmt: skip
    source = "".join(json.dumps(event) + "\n" for event in events).encode()
    names = tuple(name for name in there if name != "schema")  # the record is shortened to what matters here
    assert {one.tests for one in agreed(reported(tmp_path, source), names)} == {1}

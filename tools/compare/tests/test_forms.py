# SPDX-License-Identifier: GPL-2.0-only
"""Text, JSON and page of two runs: an excerpt of a real one, and the same edited to be a respin's.

To accept a wanted change: PNODE_UPDATE_GOLDEN=1 pytest tools/compare/tests, then read the diff.
"""

import json
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tools.cli import compare as verb
from tools.cli import main as cli
from tools.compare import document, page, text
from tools.compare.changes import Change
from tools.compare.comparison import Comparison, compare
from tools.compare.side import load
from tools.compare.tests.conftest import CATALOGUE, Comparing, Events, Test, events
from tools.errors import UserError

GOLDEN = Path(__file__).with_name("golden")
REFERENCE, RESPIN = GOLDEN / "reference.jsonl", GOLDEN / "respin.jsonl"


@pytest.fixture
def respin() -> Comparison:
    return compare(load("A", REFERENCE, CATALOGUE), load("B", RESPIN, CATALOGUE), CATALOGUE)


def test_text(respin: Comparison) -> None:
    found = text.render(respin).replace(str(GOLDEN), "golden")
    golden = GOLDEN / "respin.txt"
    if os.environ.get("PNODE_UPDATE_GOLDEN"):
        golden.write_text(found)
    assert found == golden.read_text()


def test_first_line_answers(respin: Comparison) -> None:
    line = text.render(respin).splitlines()[0]
    assert line.startswith("worse: 2 tests newly failing (CPS-01, SVC-11); 1 test lost (CPS-07) (besides: ")
    same = compare(load("A", REFERENCE, CATALOGUE), load("B", REFERENCE, CATALOGUE), CATALOGUE)
    assert text.render(same).startswith("not worse: nothing changed\n")
    assert "A and B are the same run" in text.render(same)


def test_a_respin_of_another_dialect(respin: Comparison) -> None:
    found = text.render(respin)
    assert "expectation changed by dialect (v4 -> v5): 1 requirement\n" in found
    assert "CPS-01   must   PASS -> FAIL: B does not show what its dialect expects\n" in found
    behaviour = found.partition("behaviour changed, and no changed expectation says so: ")[2]
    assert "SVC-11" in behaviour.partition("nobody has said")[0]
    assert "CPS-01" not in behaviour.partition("nobody has said")[0]
    assert re.search(r"nobody has said what dialect v5 is to do: 17 requirements: CBK-01 ", found)


def test_document_agrees_with_the_text(respin: Comparison) -> None:
    found = json.loads(json.dumps(document.document(respin)))
    assert (found["exit"], found["conclusion"]) == (1, text.conclusion(respin))
    assert found["worse"][0]["requirements"] == ["CPS-01", "SVC-11"]
    listed = {(test["topology"], test["nodeid"]) for test in found["tests"]}
    assert {tuple(test) for finding in found["worse"] for test in finding["tests"]} <= listed
    assert sum(found["counts"].values()) == len(respin.tests)
    assert found["dialects"]["expectation_changed"][0]["expected"] == {
        "a": "EINVAL without P",
        "b": "from any cpuset",
    }
    assert [time["change"] for time in found["times"]] == ["slower"]
    assert found["b"]["incomplete"] == "1 planned test has no result"


class Page(HTMLParser):
    """Collects the text, the tags that are open at the end, and what would be fetched."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.code: list[str] = []
        self.fetched: list[str | None] = []
        self.tags: set[str] = set()
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href", "action")]
        if tag not in ("meta", "br", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] == "code":
            self.code.append(data)


def test_page(respin: Comparison) -> None:
    content = page.render(respin)
    found = Page(content)
    assert found.open == []
    assert found.fetched == []
    assert "script" not in found.tags
    assert "url(" not in content
    assert text.conclusion(respin) in found.text
    changed = {test.nodeid for test in respin.tests if test.change is not Change.SAME}
    assert {name for name in found.code if "::" in name} == changed | {time.nodeid for time in respin.times}
    assert "names no private node <of 1,3>" in found.text, "escaped once, not lost"
    for word in ("PASS", "FAIL", "SKIP", "MISS", "ERROR", "FLAKY"):
        assert f".{word} {{ color" in content


def test_pages_of_other_comparisons(comparing: Comparing) -> None:
    a: Events = events(("t", "PASS"), ("u", "FLAKY"))
    assert Page(page.render(comparing(a, a))).text.count("not worse: ") == 1
    only = comparing(events(("t", "PASS"), ("x", "PASS")), events(("t", "PASS"), argv=["run", "-k", "t"]))
    assert "only in A: 1 test (1 PASS): not chosen in B" in Page(page.render(only)).text


def test_many_lost_tests_are_told_by_file(comparing: Comparing) -> None:
    names = [f"selftests/isolation/test_x.py::test[{n}]" for n in range(50)]
    many: tuple[Test, ...] = tuple((name, "PASS") for name in names)
    found = text.render(comparing(events(("t", "PASS"), *many), events(("t", "PASS"), planned=tuple(names))))
    assert "  50 tests of fast selftests/isolation/test_x.py: never began\n" in found
    assert names[0] not in found


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    for name, source in (("a", REFERENCE), ("b", RESPIN)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.jsonl").write_bytes(source.read_bytes())
    return [str(tmp_path / "a"), str(tmp_path / "b")]


def test_verb(runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "page.html"
    assert cli.main(["compare", *runs, "--json", "--html", str(target)]) == 1
    assert json.loads(capsys.readouterr().out)["exit"] == 1
    assert target.read_text().startswith("<!doctype html>")
    assert cli.main(["compare", runs[0], runs[0]]) == 0
    assert capsys.readouterr().out.startswith("not worse: ")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["absent", "absent"], "pnode: A absent: no such run"),
        (["--fail-on", "slow"], "pnode: --fail-on slow: no such word"),
        (["--html", ""], "pnode: --html .: a directory; give the name of a file"),
        (["--html", "/absent/page.html"], "pnode: --html /absent/page.html: No such file or directory"),
    ],
)
def test_verb_with_bad_input(
    runs: list[str], capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    given = words if words[0] == "absent" else [*runs, *words]
    assert cli.main(["compare", *given]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(reason)
    assert (captured.out, len(captured.err.splitlines())) == ("", 1)


def test_full_disk_leaves_no_half_page(
    respin: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *words: object, **more: object) -> int:
        self.touch()
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match=r"page\.html: No space left on device"):
        page.write(tmp_path / "page.html", respin)
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_to_and_stays(respin: Comparison, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        page.write(pipe, respin)
        assert reader.communicate()[0] == page.render(respin)
    assert pipe.is_fifo()


def test_help_documents_policy_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.parse(["compare", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    for word, meaning in verb.policy.TIGHTER.items():
        assert f"{word}: {meaning}" in out
    assert "3 not worse as far as it goes, but a run is incomplete" in out

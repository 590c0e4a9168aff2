# SPDX-License-Identifier: GPL-2.0-only
"""The page that is made of recorded runs: complete, escaped, and in need of nothing else."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tools.report.events import read
from tools.report.html import findings, render
from tools.report.tests.catalogue import CATALOGUE
from tools.report.tests.test_reports import GOLDEN, RUNS
from tools.report.verdict import DEVIATES, HOLDS, INCOMPLETE, UNABLE, judge

REAL = Path(__file__).with_name("real-run.jsonl")
WORDS = {HOLDS: "holds", DEVIATES: "deviates", INCOMPLETE: "incomplete", UNABLE: "could not run"}
VOID = {"meta", "link", "input", "br"}
#: Elements of SVG that the templates close by themselves.
CLOSED = {"rect", "line", "path"}
EVIL = "<script>alert(1)</script>\"'&\x1b[31m\x00\u202e"


class Reader(HTMLParser):
    """Reads a page: elements that are open at its end or closed wrongly, ids, links, text and classes."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.wrong, self.ids, self.links, self.text, self.scripts = [], [], [], [], [], 0
        self.rows = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs[name] for name in ("href", "src") if name in attrs]
        self.scripts += tag == "script"
        self.wrong += [name for name in attrs if name.startswith("on")]
        if tag == "tr":
            self.rows.append([])
        if tag not in VOID | CLOSED or (tag in CLOSED and not self.get_starttag_text().endswith("/>")):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in CLOSED and (not self.open or self.open[-1] != tag):
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        self.text.append(data)
        if self.rows:
            self.rows[-1].append(data)


def events_of(name):
    return read(GOLDEN / f"{name}.jsonl").events


def made(events, **options):
    verdict = judge(events, CATALOGUE.values())
    text = render(verdict, events, **options)
    return verdict, text, Reader(text)


def test_what_is_not_pass_is_there_with_the_command_that_repeats_it():
    verdict, _, page = made(events_of("deviations-of-every-kind"))
    said = "".join(page.text)
    for test in verdict.tests:
        if test.bad and test.message != "never started":
            for line in test.message.splitlines():
                assert line in said
    again = "Again: tools/pnode run --kernel '/boot/my kernel' --build ../build --topology fast --req ISO-02"
    assert again in said
    assert "kmsg (1 line)" in said
    assert "[   12.0] pnode_test: x" in said
    assert "guests/slot1/boot0/console.log" in page.links


@pytest.mark.parametrize("name", RUNS)
def test_each_recording_gives_a_sound_page(name):
    verdict, text, page = made(events_of(name))
    assert text.startswith("<!doctype html>")
    assert (page.open, page.wrong, page.scripts) == ([], [], 1)
    assert f"{WORDS[verdict.exit]} exit status {verdict.exit}" in " ".join("".join(page.text).split())
    assert len(set(page.ids)) == len(page.ids)
    local = {link[1:] for link in page.links if link.startswith("#")}
    assert local <= set(page.ids), f"links to nothing: {local - set(page.ids)}"
    elsewhere = {link for link in page.links if not link.startswith(("#", "guests/"))}
    assert elsewhere == {"data:,"}
    assert not re.search(r"https?://|@import|url\(", text)
    tested = {row.id for row in verdict.requirements if row.outcome != "-"}
    assert tested <= set(page.ids)
    assert render(verdict, events_of(name)) == text


def test_each_result_is_in_the_matrix():
    verdict, _, page = made(events_of("deviations-of-every-kind"))
    rows = [" ".join(" ".join(row).split()) for row in page.rows]
    for test in verdict.tests:
        if test.requirements:
            name = test.nodeid.removeprefix("selftests/")
            assert any(name in row and test.outcome in row for row in rows), test.nodeid
    assert any(
        row.startswith("ISO-02 __GFP_THISNODE") and "must FAIL FAIL 1/2 ERROR 0/1" in row for row in rows
    )


def test_a_failing_should_is_called_a_deviation():
    verdict, _, page = made(events_of("a-should-deviates"))
    said = " ".join(" ".join(page.text).split())
    assert verdict.exit == HOLDS
    assert "Deviation of level should: DSC-12 ." in said
    assert "should deviation deviation 0/1" in said


def test_a_killed_run_says_so():
    _, _, page = made(events_of("killed-in-the-middle-of-a-line"))
    said = "".join(page.text)
    assert "the record breaks off in this session; the run was killed" in said
    assert "never started" in said


def evil(value):
    """Every text of an event replaced, but for the words that give it its place."""
    if isinstance(value, dict):
        kept = ("event", "topology", "outcome", "state", "nodeid", "requirements", "tests", "topologies")
        return {key: one if key in kept else evil(one) for key, one in value.items()}
    if isinstance(value, list):
        return [evil(one) for one in value]
    return EVIL if isinstance(value, str) else value


def test_nothing_from_a_log_becomes_markup():
    """Also where a text stands that is not looked for there, as in a damaged record."""
    events = [evil(event) for event in events_of("deviations-of-every-kind")]
    for event in events:
        if event["event"] in ("test", "test-start"):
            event["nodeid"] += f"[{EVIL}]"
    _, text, page = made(events)
    assert (page.open, page.wrong, page.scripts) == ([], [], 1)
    assert "alert(1)" in "".join(page.text)
    assert "<script>alert" not in text
    assert not re.search("[\x00\x1b\u202e]", text)


@pytest.mark.parametrize("event", ["run-start", "session-start", "plan", "guest", "test", "problem"])
def test_fields_that_are_missing_are_no_error(event):
    """Older records have fewer fields, newer ones more."""
    needed = {"event", "topology", "nodeid", "outcome", "state", "tests"}
    events = [
        {key: value for key, value in one.items() if key in needed} | {"later": {"field": [1]}}
        if one["event"] == event
        else one
        for one in events_of("deviations-of-every-kind")
    ]
    _, _, page = made(events)
    assert (page.open, page.wrong) == ([], [])


def many(number, outcome, **fields):
    """A run of so many tests."""
    tests = [f"selftests/isolation/test_many.py::test_entry[parameter-{index}]" for index in range(number)]
    yield {"event": "run-start", "time": 0.0, "topologies": ["fast"], "dialect": "v4"}
    yield {"event": "session-start", "time": 1.0, "topology": "fast", "slots": 1}
    yield {"event": "plan", "time": 1.0, "topology": "fast", "tests": tests}
    for index, nodeid in enumerate(tests):
        place = {"topology": "fast", "nodeid": nodeid, "slot": 0}
        yield {"event": "test-start", "time": 2.0 + index / 5, **place}
        yield {
            "event": "test",
            "time": 2.1 + index / 5,
            **place,
            "outcome": outcome,
            "duration": 0.1,
            "requirements": ["ISO-02"],
            **fields,
        }


def test_a_green_run_of_5000_tests_is_small():
    _, text, _ = made(list(many(5000, "PASS", sections=[["Captured stdout call", "x" * 4000]])))
    assert len(text) < 1 << 20
    assert "xxxx" not in text


def test_a_kernel_on_which_everything_fails_gives_a_page_that_opens():
    fields = {
        "kind": "assertion",
        "message": "wrong",
        "longrepr": "y" * 64_000,
        "sections": [["log", "z" * 64_000]],
    }
    _, text, page = made(list(many(1000, "FAIL", **fields)))
    assert len(text) < findings.PAGE_LIMIT + (4 << 20)
    assert "traceback and sections of this test are in results.jsonl" in "".join(page.text)
    assert "characters left out" in text


def test_another_catalogue_than_that_of_the_run_is_named():
    events = [
        {**event, "catalogue_hash": "aa"} if event["event"] == "run-start" else event
        for event in events_of("a-should-deviates")
    ]
    assert "aa;" in made(events, catalogue_hash="bb")[1]
    assert "aa;" not in made(events, catalogue_hash="aa")[1]


def test_a_real_run_has_all_its_parts():
    """Cut from a run, with results changed so that one of each kind is there."""
    events = read(REAL).events
    _, _, page = made(events)
    assert {"findings", "matrix", "landings", "machines", "guests", "slowest"} <= set(page.ids)
    kinds = {
        json.loads(value)["policy"]
        for event in events
        for name, value in event.get("properties") or ()
        if name == "residency"
    }
    assert len(kinds) > 5
    assert kinds <= {text.strip() for text in page.text}

# SPDX-License-Identifier: GPL-2.0-only
"""Exceptions as they are written: what is read, and the line for each thing that is wrong."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from helpers import catalogue
from tools.errors import UserError
from tools.known.entry import ALLOWED, KNOWN, Entry
from tools.known.files import BUILTIN, builtin, gather, load

TODAY = date(2026, 11, 25)
GOOD = """
[[known]]
reason = "loops until\\n it is signalled"
link = "https://lore.kernel.org/linux-mm/x@y/"
expires = 2026-11-25
match = { test = "hotplug/test_busy.py::test_is_refused_at_once", dialect = ["v4", "v5"] }

[[known]]
reason = "wrong lock order"
link = "<20260301.1234-5@example.org>"
expires = 2027-01-31
intermittent = true
match = { requirement = "HPL", splat = "9f3c0a12bd34", kind = ["panic", "oops"] }

[[allowed]]
reason = "old firmware"
link = "https://example.org/1"
expires = 2027-01-31
match = { text = 'at mm/.*\\.c', topology = "here", release = "6.12.*", during = ["boot", "between"] }
"""
ONE = """
[[known]]
reason = "r"
link = "https://example.org"
expires = 2027-01-31
match = { test = "hotplug" }
"""


@pytest.fixture(scope="module")
def known():
    return catalogue.load()


@pytest.fixture
def write(tmp_path):
    def go(text: str) -> Path:
        path = tmp_path / "known.toml"
        path.write_text(text)
        return path

    return go


def test_a_good_file(write, known):
    first, second, third = load(write(GOOD), TODAY, known)
    assert (first.name, first.table, first.reason) == (
        "known.toml: [[known]] 1",
        KNOWN,
        "loops until it is signalled",
    )
    assert first.match.test == ("selftests/hotplug/test_busy.py::test_is_refused_at_once",)
    assert (second.intermittent, second.match.kind) == (True, ("panic", "oops"))
    assert (third.table, third.name) == (ALLOWED, "known.toml: [[allowed]] 1")
    assert third.match.text == r"at mm/.*\.c"
    assert [one.during for one in third.allowed()] == ["boot", "between"]


def test_entries_survive_the_record(write, known):
    for entry in load(write(GOOD), TODAY, known):
        assert Entry.from_event(entry.event()) == entry


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("reason =", "why ="), r"\[\[known\]\] 1: unknown key 'why'"),
        (('reason = "r"', 'reason = " "'), "'reason' must be a text that says something"),
        (('link = "https://example.org"', ""), "lacks 'link'"),
        (('"https://example.org"', '"see the wiki"'), "neither a URL nor a Message-ID"),
        (("expires = 2027-01-31", ""), "lacks 'expires'"),
        (("2027-01-31", '"2027-01-31"'), "must be a date such as 2027-01-31, without quotes"),
        (("2027-01-31", "2027-01-31T10:00:00"), "must be a date"),
        (("2027-01-31", "2026-11-24"), r"known.toml: \[\[known\]\] 1 \(r\) expired on 2026-11-24; renew it"),
        (("match = ", "intermittent = 1\nmatch = "), "intermittent must be true or false"),
        (('{ test = "hotplug" }', '"hotplug"'), "match must be a table"),
        (('test = "hotplug"', ""), "match needs at least one of test, requirement, message, splat"),
        (('test = "hotplug"', 'topology = "fast"'), "match needs at least one of"),
        (('test = "hotplug"', 'tests = "hotplug"'), "match: unknown key 'tests'"),
        (('"hotplug"', "[]"), "match: test is an empty list"),
        (('"hotplug"', "3"), "must be a text or a list of texts, not 3"),
        (('"hotplug"', '"hotplug/test_gone.py"'), "no selftests/hotplug/test_gone.py"),
        (('"hotplug"', '"hotplug/test_busy.py::test_gone"'), "no test_gone in selftests/hotplug/test_b"),
        (('test = "hotplug"', 'requirement = "HPL-99"'), "no requirement or chapter 'HPL-99'"),
        (('"hotplug"', '"hotplug", topology = "quick"'), "no topology 'quick'; there are: cxl, "),
        (('"hotplug"', '"hotplug", dialect = "v3"'), "no dialect 'v3'"),
        (('"hotplug"', '"hotplug", kind = "WARNING"'), "no kind 'WARNING'; there are: assertion, "),
        (('"hotplug"', '"hotplug", message = "("'), "is no regular expression: missing"),
        (('"hotplug"', '"hotplug", splat = "0x12"'), "splat '0x12' is no fingerprint"),
        (('"hotplug"', '"hotplug", text = "x"'), "match: unknown key 'text'"),
        (('"hotplug"', '"hotplug", during = "boot"'), "match: unknown key 'during'"),
        (("[[known]]", "[known]"), r"write \[\[known\]\], with two brackets"),
        (("[[known]]", "[[knwon]]"), r"unknown table \[knwon\]"),
        (("[[known]]", "[[known]"), "not TOML: .*line 2"),
    ],
)
def test_what_is_wrong_is_one_line(write, known, change, complaint):
    text = ONE.replace(*change)
    assert text != ONE
    with pytest.raises(UserError, match=complaint) as error:
        load(write(text), TODAY, known)
    assert str(error.value).startswith("--known ")
    assert "known.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path, known):
    with pytest.raises(UserError, match=r"--known .*/gone.toml: No such file or directory; give a TOML file"):
        load(tmp_path / "gone.toml", TODAY, known)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not TOML"):
        load(tmp_path / "binary.toml", TODAY, known)


def test_what_the_suite_brings_never_stops_a_run(write, known):
    path = write(ONE.replace("2027-01-31", "2026-11-24"))
    assert builtin(TODAY, known, path) == []
    (entry,) = builtin(date(2026, 11, 24), known, path)
    assert entry.builtin


def test_what_the_suite_brings_is_good_for_a_while(known):
    """To be renewed, or removed, before users miss it."""
    soon = datetime.now(UTC).date() + timedelta(days=60)
    names = [entry.name for entry in builtin(date.min, known, BUILTIN)]
    assert [entry.name for entry in builtin(soon, known, BUILTIN)] == names


def test_a_file_given_twice_counts_once(write, known):
    path = write(ONE)
    assert len(gather([path, path], known)) == 1 + len(builtin(datetime.now(UTC).date(), known))

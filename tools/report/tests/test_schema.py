# SPDX-License-Identifier: GPL-2.0-only
"""The schema of results.jsonl: right by itself, in accord with README and code, met by recorded runs.

That the events which a run writes meet it is tested where they are written: test_plugin.py, tools/cli/tests.
"""

import re

import pytest
from jsonschema import Draft202012Validator

from tools.faults.matrix import Fate, Matrix, Red, Row
from tools.report.events import SCHEMA, Kind, Outcome
from tools.report.readers.record import SCHEMA_FILE, schema
from tools.report.tests import strict
from tools.report.tests.test_reports import GOLDEN, RUNS

README = SCHEMA_FILE.with_name("README.md")
EVENTS = [entry["if"]["properties"]["event"]["const"] for entry in schema()["allOf"]]


def fields(definition):
    """Names of all fields, those of objects in it included."""
    found = set()
    for name, field in definition.get("properties", {}).items():
        found |= {name} | fields(field)
    return found


def test_it_is_a_schema():
    Draft202012Validator.check_schema(schema())
    assert [entry["then"]["$ref"] for entry in schema()["allOf"]] == [f"#/$defs/{name}" for name in EVENTS]


@pytest.mark.parametrize("name", RUNS)
def test_recorded_runs_meet_it(name):
    strict.check(GOLDEN / f"{name}.jsonl")


def test_the_readme_has_the_same_events_with_the_same_fields():
    events = README.read_text().split("\n# ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", events, re.M)
    table = {name: set(re.findall(r"`([a-z0-9_]+)`", row)) for name, row in rows}
    assert list(table) == EVENTS
    for name in EVENTS:
        assert table[name] == fields(schema()["$defs"][name]), name


def test_words_are_those_of_the_code():
    definitions = schema()["$defs"]
    assert definitions["run-start"]["properties"]["schema"]["const"] == SCHEMA
    of_older_records = {"timeout", "hang"}
    assert set(definitions["kind"]["enum"]) == set(Kind) | of_older_records
    assert set(definitions["outcome"]["enum"]) == set(Outcome) - {Outcome.NONE}
    made_by_the_verdict = {Outcome.FLAKY, Outcome.KNOWN, Outcome.MISS}
    assert set(definitions["test"]["properties"]["outcome"]["enum"]) == (
        set(definitions["outcome"]["enum"]) - made_by_the_verdict
    )


def test_faults_meet_it():
    row = Row("gate", Fate.CAUGHT, reds=(Red("t::a", "ISO-02", "assert 1 == 2"),), seconds=1.5)
    result = Matrix([row], 2.0)
    event = {"rows": [one.json() for one in result.rows], "seconds": result.seconds}
    assert strict.errors([{"event": "faults", "time": 1, **event}]) == []


PROBLEM = {"event": "problem", "time": 1, "topology": "fast", "kind": "guest", "message": "gone"}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"},
        {"message": None},
        {"time": "now"},
        {"topology": ""},
        {"more": 1},
        {"event": "unheard-of"},
    ],
)
def test_what_is_wrong_is_found(change):
    assert strict.errors([PROBLEM]) == []
    assert strict.errors([PROBLEM | change])


def test_readers_pass_over_what_they_do_not_know():
    validator = Draft202012Validator(schema())
    assert validator.is_valid(PROBLEM | {"more": 1})
    assert validator.is_valid({"event": "unheard-of", "time": 1, "more": 1})
    assert not validator.is_valid({"event": "problem", "time": 1})

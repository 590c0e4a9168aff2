# SPDX-License-Identifier: GPL-2.0-only
"""What a KCIDB report says beyond the golden file. That it is valid: tools/report/readers/tests."""

import copy
import json

import pytest
from kcidb_io import schema

from tools.report import kcidb
from tools.report.events import read
from tools.report.tests.catalogue import CATALOGUE
from tools.report.tests.test_reports import GOLDEN
from tools.report.verdict import judge

HASH = "0f" * 32
SOURCE = {
    "base": None,
    "series": "v4",
    "message_id": "20260222084842.1824063-1-name@example.net",
    "patchset_hash": HASH,
    "tree": "mm-unstable",
    "git_url": "https://git.kernel.org/pub/scm/linux/kernel/git/akpm/mm.git",
    "git_branch": None,
    "git_commit": "0f" * 20,
}


def recorded(name="deviations-of-every-kind", **changes):
    """The events of a recorded run, with changes to its start."""
    events = copy.deepcopy(read(GOLDEN / f"{name}.jsonl").events)
    events[0].update(changes)
    return events


def document(events, **options):
    data = kcidb.document(judge(events, CATALOGUE.values()), events, **options)
    schema.LATEST.validate(data)
    return data


def only(data, path):
    (test,) = [test for test in data["tests"] if test["path"].endswith(path)]
    return test


def ids(data):
    return [entry["id"] for kind in ("checkouts", "builds", "tests") for entry in data[kind]]


def test_the_version_is_one_that_the_library_knows():
    assert schema.LATEST.is_compatible({"version": kcidb.VERSION})
    assert schema.LATEST.new()["version"]["major"] == kcidb.VERSION["major"]


def test_the_same_record_has_the_same_ids():
    data = document(recorded())
    assert ids(data) == ids(document(recorded()))
    assert len(set(ids(data))) == len(ids(data))
    assert all(name.startswith("pnode:") for name in ids(data))


def test_two_runs_of_a_kernel_share_checkout_and_build_but_no_test():
    first, second = document(recorded()), document(recorded(run="another"))
    assert first["checkouts"] == second["checkouts"]
    assert first["builds"] == second["builds"]
    assert not set(ids(first)[2:]) & set(ids(second)[2:])


@pytest.mark.parametrize(
    "kernel",
    [
        {"release": "6.12.57-pnode", "image_sha256": HASH},
        {"release": "6.12.57-pnode", "image_sha256": "00ff" * 16, "config_sha256": HASH},
        {"release": "6.12.58"},
    ],
)
def test_another_kernel_is_another_build(kernel):
    first, second = document(recorded()), document(recorded(kernel=kernel))
    assert first["builds"][0]["id"] != second["builds"][0]["id"]
    assert first["checkouts"][0]["id"] != second["checkouts"][0]["id"], "nobody said where it is from"
    with_source = document(recorded(kernel=kernel, source=SOURCE))
    assert with_source["checkouts"] == document(recorded(source=SOURCE))["checkouts"]


def test_what_the_kernel_was_made_from():
    (checkout,) = document(recorded(source=SOURCE))["checkouts"]
    assert checkout.pop("id").startswith("pnode:checkout-")
    assert checkout == {
        "origin": "pnode",
        "tree_name": "mm-unstable",
        "git_repository_url": SOURCE["git_url"],
        "git_commit_hash": "0f" * 20,
        "patchset_hash": HASH,
        "message_id": SOURCE["message_id"],
        "comment": "v4",
        "valid": True,
        "misc": {"series": "v4"},
    }


def test_the_reference_kernel_says_what_it_is():
    source = {**dict.fromkeys(SOURCE), "base": "linux-source-6.12 6.12.117-1", "patchset_hash": HASH}
    (checkout,) = document(recorded(source=source))["checkouts"]
    assert checkout["comment"] == "linux-source-6.12 6.12.117-1 with the patches of the reference kernel"
    assert checkout["misc"] == {"base": "linux-source-6.12 6.12.117-1"}


def test_the_build():
    kernel = {
        "release": "6.12.57", "version": "6.12.57 (me@here) #1", "image": "/k", "image_sha256": HASH,
        "flavour": "debug", "architecture": "x86_64", "config_sha256": HASH, "compiler": None,
    }  # fmt: skip
    (build,) = document(recorded(kernel=kernel))["builds"]
    assert (build["architecture"], build["config_name"], build["status"]) == ("x86_64", "debug", "PASS")
    assert build["comment"] == "6.12.57 (me@here) #1"
    assert build["misc"]["config_sha256"] == build["misc"]["image_sha256"] == HASH
    assert "compiler" not in build


def test_origin_and_files_are_those_of_the_record_unless_others_are_given():
    events = recorded(origin="maestro", files_url="https://example.org/1/")
    data = document(events)
    assert {entry["origin"] for kind in ("checkouts", "builds", "tests") for entry in data[kind]} == {
        "maestro"
    }
    assert only(data, "fast.isolation.test_gate.test_full")["output_files"] == [
        {
            "name": "slot1-boot0-console.log",
            "url": "https://example.org/1/guests/slot1/boot0/console.log",
        }
    ]
    other = document(events, origin="lab_1", files_url="http://other/")
    assert other["builds"][0]["origin"] == "lab_1"
    assert only(other, "fast.isolation.test_gate.test_full")["output_files"][0]["url"].startswith(
        "http://other/"
    )


def test_without_an_address_files_are_named_and_not_linked():
    test = only(document(recorded()), "fast.isolation.test_gate.test_full")
    assert "output_files" not in test
    assert test["misc"]["console"] == "guests/slot1/boot0/console.log"


def test_a_should_that_deviates_is_a_failure_and_marked():
    test = only(document(recorded("a-should-deviates")), "test_numa_maps")
    assert (test["status"], test["misc"]["level"]) == ("FAIL", "should")
    assert test["comment"] == "deviation of level should: assert 'N1=' in '...'"
    assert test["environment"] == {"comment": "topology here", "misc": {"platform": "here"}}


def test_what_never_ran_is_there():
    data = document(recorded("guests-never-got-ready"))
    (test,) = data["tests"]
    assert (test["path"], test["status"]) == ("pnode.fast.guests.plan", "MISS")
    assert test["comment"] == "kernel panic: VFS: Unable to mount root fs"
    killed = document(recorded("killed-in-the-middle-of-a-line"))
    assert {test["path"]: test["status"] for test in killed["tests"]} == {
        "pnode.fast.isolation.test_gate.test_a": "PASS",
        "pnode.fast.isolation.test_gate.test_b": "MISS",
        "pnode.fast.isolation.test_gate.test_c": "MISS",
        "pnode.cxl.guests.plan": "MISS",
    }


def rounds(*outcomes):
    """A run that repeats one test, with these results."""
    (start, plan, test, *_) = recorded("a-should-deviates")
    nodeid = "t.py::test_a"
    names = [nodeid, *(f"{nodeid}~{number}" for number in range(2, len(outcomes) + 1))]
    kinds = {"FAIL": "assertion", "ERROR": "exception"}
    results = [
        {**test, "nodeid": name, "outcome": outcome, "kind": kinds.get(outcome), "requirements": ["ISO-02"]}
        for name, outcome in zip(names, outcomes, strict=True)
        if outcome != "MISS"
    ]
    return [start, {**plan, "tests": names}, *results]


@pytest.mark.parametrize(
    ("outcomes", "status", "outcome"),
    [
        (["PASS", "FAIL", "PASS"], "FAIL", "FLAKY"),
        (["ERROR", "FAIL", "PASS"], "FAIL", "FLAKY"),
        (["PASS", "ERROR"], "ERROR", "FLAKY"),
        (["PASS", "SKIP"], "ERROR", "FLAKY"),
        (["PASS", "MISS"], "MISS", "MISS"),
        (["PASS", "PASS"], "PASS", "PASS"),
        (["PASS"], "PASS", "PASS"),
    ],
)
def test_rounds_are_one_test(outcomes, status, outcome):
    (test,) = document(rounds(*outcomes))["tests"]
    assert (test["status"], test["misc"]["outcome"]) == (status, outcome)
    assert test["misc"].get("rounds") == (outcomes if len(outcomes) > 1 else None)
    assert test.get("comment", "").startswith("flaky: ") == (outcome == "FLAKY")


@pytest.mark.parametrize("letter", ["x", "é", "😀", "\0", "\ud800"])
def test_an_excerpt_keeps_both_ends_within_the_limit(letter):
    events = recorded("a-should-deviates")
    events[3] |= {"longrepr": letter * 50_000, "sections": [["kmsg", "the last line"]]}
    excerpt = only(document(events), "test_numa_maps")["log_excerpt"]
    assert len(excerpt.encode()) <= kcidb.EXCERPT_LIMIT
    assert len(excerpt.encode()) > kcidb.EXCERPT_LIMIT - 10
    assert excerpt.startswith("assert 'N1=' in '...'\n\n")
    assert "bytes and more left out" in excerpt
    assert excerpt.endswith("--- kmsg ---\nthe last line")


def test_nothing_in_it_is_null_or_empty():
    def walk(value):
        if isinstance(value, dict | list):
            assert value
            for item in value.values() if isinstance(value, dict) else value:
                walk(item)
        assert value not in (None, "")

    for path in GOLDEN.glob("*.jsonl"):
        walk(document(recorded(path.stem)))


def test_a_record_without_a_start_has_no_objects():
    assert document(recorded()[1:]) == {"version": kcidb.VERSION}


def test_the_text_is_the_document():
    events = recorded()
    verdict = judge(events, CATALOGUE.values())
    assert json.loads(kcidb.render(verdict, events)) == kcidb.document(verdict, events)

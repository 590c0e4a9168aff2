# SPDX-License-Identifier: GPL-2.0-only
"""What a certificate says, read by in-toto's own classes as well."""

import hashlib
import json
from typing import Any

from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from tools.certificate import statement
from tools.certificate.statement import EXTENSION, Issue
from tools.certificate.tests.conftest import (
    GIVEN,
    ISSUED,
    ROWS,
    WAIVER,
    Event,
    Record,
    failing,
    overlooking,
    start,
)
from tools.certificate.verify import Row


def read_by_in_toto(told: dict[str, Any]) -> Any:
    parsed = json_format.Parse(json.dumps(told), statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    predicate = json_format.MessageToDict(parsed.predicate)
    # The one field of our own is all that a reader of the standard has to ignore.
    unknown = set(predicate) - {field.json_name for field in test_result_pb2.TestResult.DESCRIPTOR.fields}
    assert unknown == {EXTENSION}
    return json_format.ParseDict(predicate, test_result_pb2.TestResult(), ignore_unknown_fields=True)


def test_a_reader_of_the_standard_finds_what_it_expects(told: dict[str, Any]) -> None:
    found = read_by_in_toto(told)
    assert found.result == "WARNED"
    assert found.url == "https://ci.example.org/runs/1"
    assert list(found.passed_tests) == [f"CXL-0{number}" for number in (1, 2, 4, 5, 6, 7)]
    assert list(found.warned_tests) == ["CXL-03"]
    assert list(found.failed_tests) == []
    assert [one.name for one in found.configuration] == ["suite", "catalogue", "kernel configuration"]


def test_subjects_are_the_image_and_the_record(record: Record) -> None:
    told = statement.build(record.load(), Issue(ISSUED))
    image = start(record.load().events)["kernel"]["image_sha256"]
    sha256 = hashlib.sha256(record.path.read_bytes()).hexdigest()
    assert told["subject"] == [
        {"name": "kernel", "digest": {"sha256": image}},
        {"name": "results.jsonl", "digest": {"sha256": sha256}},
    ]


def test_a_kernel_whose_image_is_not_known(record: Record) -> None:
    def change(events: list[Event]) -> None:
        start(events)["kernel"] = {"release": "6.12.117-pnode", "version": "x"}

    told = statement.build(record.load(change), Issue(ISSUED))
    assert [one["name"] for one in told["subject"]] == ["results.jsonl"]
    assert told["predicate"][EXTENSION]["kernel"]["build_id"].startswith("6cb661e7")
    read_by_in_toto(told)


def test_names(told: dict[str, Any]) -> None:
    own = told["predicate"][EXTENSION]
    assert own["kernel"]["series"] == "v4"
    assert own["kernel"]["message_id"].endswith("@gourry.net")
    assert own["kernel"]["compiler"] == "gcc 12.2.0"
    assert not {"image", "base"} & set(own["kernel"])
    place = own["topologies"]["cxl-pair"]
    assert (place["accelerator"], place["armed"]) == ("tcg", [])
    assert place["tests"] == {"FAIL": 1, "PASS": 35, "SKIP": 2}
    assert [(one["vendor"], one["device"], one["serial"]) for one in place["devices"]] == [
        ("0x8086", "0x0d93", "0x2"),
        ("0x8086", "0x0d93", "0x1"),
    ]
    assert own["requirements"]["CXL-03"] == {
        "level": "must",
        "verdict": "FAIL",
        "tests": {"cxl-pair": {"FAIL": 1, "PASS": 3, "SKIP": 1}},
    }
    assert own["waivers"] == [
        {
            "requirement": "CXL-03",
            "reason": "firmware without HMAT",
            "link": "https://bugs.example.org/1",
            "expires": "2026-12-31",
        }
    ]


def test_a_whole_run_without_remarks_is_passed(record: Record) -> None:
    predicate = statement.build(record.load(), Issue(ISSUED))["predicate"]
    assert (predicate["result"], predicate["warnedTests"]) == ("PASSED", [])
    # CXL-08 was skipped: it is in no list, and told with its verdict.
    assert "CXL-08" not in predicate["passedTests"]
    assert predicate[EXTENSION]["requirements"]["CXL-08"]["verdict"] == "SKIP"


def test_a_waived_requirement_is_never_passed(record: Record) -> None:
    predicate = statement.build(record.load(), Issue(ISSUED, (WAIVER,)))["predicate"]
    assert (predicate["result"], predicate["warnedTests"]) == ("WARNED", ["CXL-03"])
    assert "CXL-03" not in predicate["passedTests"]


def test_a_should_that_deviates_is_warned_of(record: Record) -> None:
    record.rows = [Row("CXL-04", "should") if row.id == "CXL-04" else row for row in ROWS]
    predicate = statement.build(record.load(failing("test_policy_path")), Issue(ISSUED))["predicate"]
    assert (predicate["result"], predicate["warnedTests"]) == ("WARNED", ["CXL-04"])


def test_what_was_left_out_is_told(record: Record) -> None:
    record.rows = [*ROWS, Row("ISO-01", "must")]
    predicate = statement.build(record.load(), Issue(ISSUED))["predicate"]
    assert (predicate["result"], predicate["warnedTests"]) == ("WARNED", [])
    assert predicate[EXTENSION]["partial"] is True
    assert predicate[EXTENSION]["requirements"]["ISO-01"] == {"level": "must", "verdict": "-", "tests": {}}


def test_an_unclean_suite_is_told(record: Record) -> None:
    def change(events: list[Event]) -> None:
        start(events)["suite"] = "0.1.0+1f41dd8-dirty"

    predicate = statement.build(record.load(change), Issue(ISSUED))["predicate"]
    assert predicate["result"] == "WARNED"
    assert predicate[EXTENSION]["suite"] == {"version": "0.1.0+1f41dd8-dirty", "clean": False}


def test_what_was_overlooked_is_told(record: Record) -> None:
    """A run that passes with any splat must not look like one that had none."""
    predicate = statement.build(record.load(overlooking), Issue(ISSUED))["predicate"]
    assert (predicate["result"], predicate["warnedTests"]) == ("WARNED", [])
    (one,) = predicate[EXTENSION]["exceptions"]  # neither the suite's own nor a test's
    assert {key: one[key] for key in ("name", "table", "reason", "link", "expires", "match")} == {
        key: GIVEN[key] for key in ("name", "table", "reason", "link", "expires", "match")
    }
    assert one["splats"] == [
        {"digest": "aa" * 6, "what": "WARNING", "title": f"WARNING: at mm/{'aa' * 6}.c:1", "seen": 2},
        {"digest": "bb" * 6, "what": "WARNING", "title": f"WARNING: at mm/{'bb' * 6}.c:1", "seen": 1},
    ]


def test_an_exception_that_allowed_nothing_is_told_too(record: Record) -> None:
    def change(events: list[Event]) -> None:
        events.insert(1, {"event": "known", "time": 1, "entries": [GIVEN]})

    predicate = statement.build(record.load(change), Issue(ISSUED))["predicate"]
    assert predicate["result"] == "WARNED"
    assert [one["splats"] for one in predicate[EXTENSION]["exceptions"]] == [[]]


def test_two_files_of_one_name_are_both_told(record: Record) -> None:
    other = GIVEN | {"match": {"text": "x"}}

    def change(events: list[Event]) -> None:
        events.insert(1, {"event": "known", "time": 1, "entries": [GIVEN, other]})

    predicate = statement.build(record.load(change), Issue(ISSUED))["predicate"]
    assert [one["match"] for one in predicate[EXTENSION]["exceptions"]] == [{"text": "."}, {"text": "x"}]


def test_what_the_suite_itself_allows_is_no_remark(record: Record) -> None:
    def change(events: list[Event]) -> None:
        overlooking(events)
        events[:] = [event for event in events if event.get("by") != GIVEN["name"]]
        for event in events:
            if event["event"] == "known":
                event["entries"] = [one for one in event["entries"] if one["builtin"]]

    predicate = statement.build(record.load(change), Issue(ISSUED))["predicate"]
    assert predicate["result"] == "PASSED"
    assert predicate[EXTENSION]["exceptions"] == []


def test_a_choice_of_tests_makes_it_partial(record: Record) -> None:
    def change(events: list[Event]) -> None:
        start(events)["selection"] = ["-k", "not policy"]

    predicate = statement.build(record.load(change), Issue(ISSUED))["predicate"]
    assert predicate["result"] == "WARNED"
    assert predicate[EXTENSION]["partial"] is True
    assert predicate[EXTENSION]["run"]["selection"] == ["-k", "not policy"]

# SPDX-License-Identifier: GPL-2.0-only
import pytest

from tools.report import ktap
from tools.report.events import Outcome
from tools.report.tests.catalogue import CATALOGUE
from tools.report.verdict import DEVIATES, HOLDS, INCOMPLETE, UNABLE, as_event, judge


def plan(*nodeids, topology="fast", **requirements):
    ids = {nodeid: [name.replace("_", "-")] for nodeid, name in requirements.items()}
    return {"event": "plan", "time": 1, "topology": topology, "tests": list(nodeids), "requirements": ids}


def result(nodeid, outcome, *requirements, topology="fast"):
    return {
        "event": "test",
        "time": 2,
        "topology": topology,
        "nodeid": nodeid,
        "outcome": outcome,
        "requirements": list(requirements),
    }


def verdict(*events, topologies=("fast",)):
    return judge([{"event": "run-start", "time": 0, "topologies": topologies}, *events], CATALOGUE.values())


def of(found, identifier):
    return next(row for row in found.requirements if row.id == identifier)


@pytest.mark.parametrize(
    ("outcomes", "expected", "status"),
    [
        ("PASS PASS", "PASS", HOLDS),
        ("PASS SKIP", "PASS", HOLDS),
        ("SKIP SKIP", "SKIP", HOLDS),
        ("PASS FAIL", "FAIL", DEVIATES),
        ("ERROR FAIL", "FAIL", DEVIATES),
        ("PASS ERROR", "ERROR", DEVIATES),
        ("PASS -", "MISS", INCOMPLETE),
        ("FAIL -", "FAIL", DEVIATES),
    ],
)
@pytest.mark.parametrize("split", [False, True], ids=["one topology", "two topologies"])
def test_a_requirement_is_as_good_as_its_worst_test(outcomes, expected, status, split):
    second = "cxl" if split else "fast"
    first, other = outcomes.split()
    events = [plan("a", "b", a="ISO_02", b="ISO_02")]
    if split:
        events = [plan("a", a="ISO_02"), plan("b", topology="cxl", b="ISO_02")]
    events.append(result("a", first, "ISO-02"))
    if other != "-":
        events.append(result("b", other, "ISO-02", topology=second))
    found = verdict(*events)
    assert of(found, "ISO-02").outcome == expected
    assert of(found, "DSC-01").outcome is Outcome.NONE
    assert found.exit == status


def test_columns_of_topologies_are_kept():
    found = verdict(
        plan("a"),
        result("a", "PASS", "ISO-02"),
        plan("a", topology="cxl"),
        result("a", "FAIL", "ISO-02", topology="cxl"),
        topologies=["fast", "cxl"],
    )
    row = of(found, "ISO-02")
    assert row.by_topology["fast"].outcome == "PASS"
    assert row.by_topology["cxl"].outcome == "FAIL"


@pytest.mark.parametrize("outcome", ["FAIL", "ERROR"])
def test_a_should_deviates_without_failing_the_run(outcome):
    found = verdict(plan("a", "b"), result("a", outcome, "DSC-12"), result("b", "PASS", "ISO-02"))
    assert found.exit == HOLDS
    assert of(found, "DSC-12").deviates


@pytest.mark.parametrize("requirements", [[], ["DSC-12", "ISO-02"], ["XYZ-01"]])
def test_a_failed_test_counts_unless_all_it_shows_is_of_level_should(requirements):
    assert verdict(plan("a"), result("a", "FAIL", *requirements)).exit == DEVIATES


def test_an_id_that_the_catalogue_lacks_is_shown():
    row = of(verdict(plan("a"), result("a", "PASS", "XYZ-01")), "XYZ-01")
    assert not row.known
    assert row.outcome == "PASS"


def test_a_test_without_result_says_whether_it_started():
    start = {"event": "test-start", "time": 2, "topology": "fast", "nodeid": "a"}
    found = verdict(plan("a", "b", a="ISO_02", b="ISO_04"), start)
    assert [(test.outcome, test.message) for test in found.tests] == [
        ("MISS", "started, but the run ended before its result"),
        ("MISS", "never started"),
    ]
    assert of(found, "ISO-04").outcome == "MISS"
    assert found.exit == INCOMPLETE


def test_the_first_result_of_a_test_counts():
    found = verdict(plan("a"), result("a", "FAIL", "ISO-02"), result("a", "PASS", "ISO-02"))
    assert [test.outcome for test in found.tests] == ["FAIL"]


def test_a_topology_that_never_got_to_a_plan_leaves_the_run_incomplete():
    found = verdict(plan("a"), result("a", "PASS", "ISO-02"), topologies=["fast", "cxl"])
    assert found.unplanned == ("cxl",)
    assert found.exit == INCOMPLETE


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([], UNABLE),
        ([plan()], UNABLE),
        ([{"event": "problem", "kind": "interrupted"}], INCOMPLETE),
        ([{"event": "problem", "kind": "guest"}], UNABLE),
        ([plan("a"), result("a", "PASS", "ISO-02"), {"event": "problem", "kind": "collection"}], UNABLE),
        ([plan("a"), result("a", "PASS", "ISO-02"), {"event": "problem", "kind": "guest"}], HOLDS),
    ],
)
def test_problems_and_the_exit_status(events, status):
    assert verdict(*events).exit == status


@pytest.mark.parametrize(
    ("kind", "nodeid", "status"),
    [
        ("panic", None, DEVIATES),
        ("oops", None, DEVIATES),
        ("guest-lost", None, HOLDS),
        ("kernel-hang", None, DEVIATES),
        ("test-hang", None, HOLDS),
        ("hang", None, HOLDS),  # of records from before the two were told apart
        ("panic", "a", HOLDS),
    ],
)
def test_a_kernel_that_dies_between_two_tests_fails_the_run(kind, nodeid, status):
    # With a nodeid the death is in that test's own result.
    lost = {
        "event": "guest",
        "topology": "fast",
        "slot": 0,
        "boot": 1,
        "state": "lost",
        "kind": kind,
        "nodeid": nodeid,
        "after": "a",
        "reason": "x",
    }
    found = verdict(plan("a"), result("a", "PASS", "ISO-02"), lost)
    assert found.exit == status
    assert [test.nodeid for test in found.tests] == ["a", "guests::slot0-boot1"][: 1 + status]


def test_run_end_names_what_was_tested():
    found = verdict(plan("a", "b"), result("a", "PASS", "ISO-02"), result("b", "SKIP", "ISO-04"))
    assert as_event(found) == {
        "exit": 0,
        "counts": {"PASS": 1, "SKIP": 1},
        "requirements": {"ISO-02": "PASS", "ISO-04": "SKIP"},
        "splats": [],
        "known": [],
        "stale": [],
    }


def test_expectations_are_those_of_the_dialect_under_test():
    events = [plan("a"), result("a", "PASS", "ISO-02")]
    for dialect, expected in (("v4", "what v4 makes of ISO-02"), ("v5", None), (None, None)):
        start = {"event": "run-start", "topologies": ["fast"], "dialect": dialect}
        found = judge([start, *events], CATALOGUE.values())
        (row,) = [row for row in found.requirements if row.id == "ISO-02"]
        assert row.expected == expected


PASS, FAIL, SKIP = "PASS", "FAIL", "SKIP"


@pytest.mark.parametrize(
    ("rounds", "outcome", "status"),
    [
        ([PASS, PASS, PASS], Outcome.PASS, HOLDS),
        ([PASS, FAIL, PASS], Outcome.FLAKY, DEVIATES),
        ([SKIP, PASS, PASS], Outcome.FLAKY, DEVIATES),
        ([FAIL, "ERROR", FAIL], Outcome.FLAKY, DEVIATES),
        ([FAIL, FAIL, FAIL], Outcome.FAIL, DEVIATES),
        ([FAIL, FAIL, None], Outcome.FAIL, DEVIATES),
        ([PASS, None, FAIL], Outcome.FLAKY, DEVIATES),
        ([PASS, None, PASS], Outcome.MISS, INCOMPLETE),
        ([None, None, None], Outcome.MISS, INCOMPLETE),
        ([SKIP, SKIP, SKIP], Outcome.SKIP, HOLDS),
    ],
)
def test_rounds_of_a_test_are_one_verdict(rounds, outcome, status):
    names = ["a[x~1]", "a~2[x~1]", "a~3[x~1]"]
    results = [result(name, one, "ISO-02") for name, one in zip(names, rounds, strict=True) if one]
    found = verdict(plan(*names), *results)
    (test,) = found.tests
    assert (test.nodeid, test.outcome, test.rounds) == ("a[x~1]", outcome, 3)
    (row,) = [row for row in found.requirements if row.id == "ISO-02"]
    assert row.outcome is (outcome if results else Outcome.NONE)
    assert found.exit == status


def known(**match):
    lists = {key: value if key == "message" else [value] for key, value in match.items()}
    fields = {"reason": "r", "link": "https://x", "expires": "2099-01-01", "builtin": False}
    entry = {"name": "k: [[known]] 1", "table": "known", "intermittent": False, "match": lists, **fields}
    return {"event": "known", "time": 0, "entries": [entry]}


def fails(nodeid, *requirements, message="AssertionError: x", **fields):
    return result(nodeid, "FAIL", *requirements) | {"kind": "assertion", "message": message, **fields}


def test_a_known_failure_deviates_and_does_not_fail_the_run():
    events = [plan("a", "b"), fails("a", "ISO-02"), result("b", "PASS", "ISO-02")]
    assert verdict(*events).exit == DEVIATES
    found = verdict(known(test="a"), *events)
    assert (of(found, "ISO-02").outcome, found.exit) == (Outcome.KNOWN, HOLDS)
    assert [test.outcome for test in found.tests] == [Outcome.KNOWN, Outcome.PASS]
    assert not of(found, "ISO-02").deviates
    assert as_event(found)["known"] == [{"topology": "fast", "nodeid": "a", "by": "k: [[known]] 1"}]
    # with other exceptions than those in the record
    assert judge([known(test="a"), *events], CATALOGUE.values(), []).exit == DEVIATES


def test_another_failure_of_a_known_test_is_a_deviation():
    found = verdict(known(test="a", message="EBUSY"), plan("a"), fails("a", "ISO-02"))
    assert (of(found, "ISO-02").outcome, found.exit) == (Outcome.FAIL, DEVIATES)


def test_what_is_missing_outranks_what_is_known():
    found = verdict(known(test="a"), plan("a", "b", a="ISO_02", b="ISO_02"), fails("a", "ISO-02"))
    assert (of(found, "ISO-02").outcome, found.exit) == (Outcome.MISS, INCOMPLETE)


def test_a_stale_exception_is_bad_input_where_nothing_is_worse():
    whole = {"event": "run-start", "time": 0, "topologies": ["fast", "cxl"], "selection": []}
    entry = known(test="a")
    entry["entries"][0]["match"]["topology"] = ["fast"]
    events = [whole, entry, plan("a", "b"), plan("c", topology="cxl"), result("a", "PASS", "ISO-02")]
    events += [result("b", "PASS", "ISO-04"), result("c", "PASS", "ISO-04", topology="cxl")]
    found = judge(events, CATALOGUE.values())
    assert found.exit == UNABLE
    assert "its test ran and passed; remove it" in as_event(found)["stale"][0]
    assert judge([*events[:-2], fails("b", "ISO-04"), events[-1]], CATALOGUE.values()).exit == DEVIATES
    assert judge(events[:-1], CATALOGUE.values()).exit == INCOMPLETE


@pytest.mark.parametrize(
    ("rounds", "intermittent", "outcome", "status"),
    [
        (["known", "known"], False, Outcome.KNOWN, HOLDS),
        (["known", "PASS"], False, Outcome.FLAKY, DEVIATES),
        (["known", "PASS"], True, Outcome.KNOWN, HOLDS),
        (["known", "SKIP"], True, Outcome.FLAKY, DEVIATES),
        (["known", "new"], True, Outcome.FAIL, DEVIATES),
        (["new", "PASS"], True, Outcome.FLAKY, DEVIATES),
        (["known", "ERROR"], True, Outcome.FLAKY, DEVIATES),
        (["known", None], True, Outcome.MISS, INCOMPLETE),
        (["PASS", "PASS"], True, Outcome.PASS, HOLDS),
    ],
)
def test_rounds_of_a_known_failure(rounds, intermittent, outcome, status):
    entry = known(test="a", message="EBUSY")
    entry["entries"][0]["intermittent"] = intermittent
    made = {"known": fails("a", "ISO-02", message="EBUSY"), "new": fails("a", "ISO-02")}
    results = [
        made.get(one, result("a", one, "ISO-02")) | {"nodeid": name}
        for name, one in zip(("a", "a~2"), rounds, strict=True)
        if one
    ]
    found = verdict(entry, plan("a", "a~2"), *results)
    (test,) = found.tests
    assert (test.outcome, found.exit) == (outcome, status)
    assert found.counts.of(Outcome.PASS) == (outcome is Outcome.PASS)
    assert (test.known is not None) == (outcome is Outcome.KNOWN)
    if outcome is Outcome.MISS:
        assert "\n        not ok 1 tests.a # MISS\n" in ktap.nested(found)
        assert "\n# not ok 1 tests.a # MISS\n" in ktap.flat(found)
        assert "known" not in ktap.flat(found)


def splat(**fields):
    row = {"kind": "WARNING", "what": "WARNING", "digest": "0" * 12, "functions": ["f"], "title": "t"}
    place = {"topology": "fast", "nodeid": None, "slot": 0, "boot": 0, "during": "boot", "allowed": None}
    return {"event": "splat", "time": 2, "text": "x", **row, **place, **fields}


def test_a_splat_outside_any_test_is_a_failure_of_its_own():
    events = [plan("a"), result("a", "PASS", "ISO-02")]
    found = verdict(*events, splat(), splat(slot=1, text=None))
    assert [(test.nodeid, test.outcome) for test in found.tests[1:]] == [
        ("guests::splat-000000000000", Outcome.FAIL)
    ]
    assert "at boot, and 1 times more: t" in found.tests[1].message
    assert found.exit == DEVIATES
    assert verdict(*events, splat(allowed="firmware")).exit == HOLDS
    assert verdict(*events, splat(nodeid="a", during="test")).exit == HOLDS, "in the test's own result"
    assert verdict(*events, splat(fatal=True)).exit == HOLDS, "in the row of the guest's death"
    assert verdict(known(splat="0" * 12), *events, splat()).exit == HOLDS


def test_splats_are_told_once_with_their_number():
    found = verdict(
        plan("a", "b"),
        splat(nodeid="b", during="test", allowed="provoked"),
        splat(nodeid="a", during="test"),
        splat(nodeid="b", during="test", text=None),
        splat(digest="1" * 12, after="b", during="between"),
        {"event": "decoded", "digest": "0" * 12, "text": "x (mm/x.c:1)"},
    )
    told = [(one.digest[0], one.seen, one.first, one.allowed, one.text) for one in found.splats]
    assert told == [
        ("0", 2, "fast a", None, "x (mm/x.c:1)"),
        ("1", 1, "fast slot0-boot0 after b", None, "x"),
        ("0", 1, "fast b", "provoked", "x (mm/x.c:1)"),
    ]


def test_a_flaky_test_says_how_often_and_in_which_round():
    results = [result("a", PASS, "ISO-02"), result("a~2", FAIL, "ISO-02"), result("a~3", PASS, "ISO-02")]
    found = verdict(plan("a", "a~2", "a~3"), *results)
    (test,) = found.tests
    assert test.message.startswith("results differ in 3 rounds: 2 PASS, 1 FAIL\na~2 FAIL: ")
    assert found.counts.of(Outcome.FLAKY) == 1


def test_an_end_that_a_later_report_wrote_is_no_part_of_the_runs_time():
    late = {"event": "run-end", "time": 90_000.0, "exit": 3}
    started = {"event": "test-start", "time": 7.5, "topology": "fast", "nodeid": "a"}
    assert verdict(plan("a"), started, late).seconds == 7.5

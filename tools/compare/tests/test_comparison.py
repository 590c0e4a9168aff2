# SPDX-License-Identifier: GPL-2.0-only
"""The join: what counts as the same test, and what each requirement comes to."""

import pytest

from tools.compare import policy
from tools.compare.changes import Change
from tools.compare.comparison import Comparison
from tools.compare.policy import incomplete, parse, status, worse
from tools.compare.tests.conftest import Comparing, Test, death, events, splat
from tools.compare.text import conclusion, one_sided
from tools.errors import UserError


def changes(found: Comparison) -> dict[str, Change]:
    return {test.nodeid: test.change for test in found.tests}


def rows(found: Comparison) -> dict[str, Change]:
    return {row.id: row.change for row in found.requirements}


def test_join_is_on_topology_and_node_id(comparing: Comparing) -> None:
    a = events(("t", "PASS"), ("t", "FAIL", "", "ISO-02", "cxl"), topologies=("fast", "cxl"))
    b = events(("t", "FAIL"), ("t", "PASS", "", "ISO-02", "cxl"), topologies=("fast", "cxl"))
    found = comparing(a, b)
    assert [(t.topology, t.change) for t in found.tests] == [("fast", Change.FAILING), ("cxl", Change.FIXED)]
    # The requirement failed and fails, by another test.
    assert rows(found) == {"ISO-02": Change.OTHERWISE}
    assert status(found) == 1


def test_rounds_are_one_test(comparing: Comparing) -> None:
    a = events(("t", "PASS"), ("t~2", "PASS"), repeat=2)
    b = events(("t", "PASS"))
    assert changes(comparing(a, b)) == {"t": Change.SAME}
    found = comparing(b, events(("t", "PASS"), ("t~2", "FAIL", "boom"), repeat=2))
    assert changes(found) == {"t": Change.FLAKY}
    assert rows(found) == {"ISO-02": Change.FLAKY}
    assert (status(found), status(found, {"flaky"})) == (0, 1)
    assert found.differences["rounds"] == ("not said", "2")


@pytest.mark.parametrize(
    ("a", "b", "b_start", "expected", "code"),
    [
        # B was not asked for it: no loss.
        ((("t", "PASS"), ("u", "PASS")), (("t", "PASS"),), {"argv": ["run", "-k", "t"]}, Change.ONLY_A, 0),
        # Another suite has dropped it, and the requirement is still tested.
        ((("t", "PASS"), ("u", "PASS")), (("t", "PASS"),), {"suite": "0.2"}, Change.ONLY_A, 0),
        # The same suite, asked for the same: where is it?
        ((("t", "PASS"), ("u", "PASS")), (("t", "PASS"),), {}, Change.LOST, 1),
        ((("t", "PASS"), ("u", "PASS")), (("t", "PASS"), ("u", "SKIP", "no swap")), {}, Change.LOST, 1),
        ((("t", "PASS"), ("u", "FAIL")), (("t", "PASS"), ("u", "SKIP", "no swap")), {}, Change.LOST, 1),
    ],
)
def test_lost_or_not_asked_for(
    comparing: Comparing,
    a: tuple[Test, ...],
    b: tuple[Test, ...],
    b_start: dict[str, object],
    expected: Change,
    code: int,
) -> None:
    found = comparing(events(*a), events(*b, **b_start))
    assert changes(found) == {"t": Change.SAME, "u": expected}
    assert rows(found) == {"ISO-02": Change.SAME}
    assert status(found) == code
    assert status(found, {"only-in-a"}) == 1


def test_a_requirement_that_the_next_suite_does_not_test_is_lost(comparing: Comparing) -> None:
    a = events(("t", "PASS"), ("u", "PASS", "", "ISO-04"))
    found = comparing(a, events(("t", "PASS"), suite="0.2"))
    assert rows(found) == {"ISO-02": Change.SAME, "ISO-04": Change.LOST}
    assert status(found) == 1
    assert conclusion(found) == "worse: ISO-04 lost"


def test_renamed_tests_of_the_next_suite(comparing: Comparing) -> None:
    a = events(("t", "PASS"), ("old", "PASS", "", "ISO-04"))
    found = comparing(a, events(("t", "PASS"), ("new", "PASS", "", "ISO-04"), suite="0.2"))
    assert changes(found) == {"t": Change.SAME, "old": Change.ONLY_A, "new": Change.NEW}
    assert rows(found) == {"ISO-02": Change.SAME, "ISO-04": Change.SAME}
    assert status(found) == 0


def test_a_failing_test_that_the_next_suite_has_not_is_no_fix(comparing: Comparing) -> None:
    found = comparing(events(("t", "PASS"), ("u", "FAIL")), events(("t", "PASS"), suite="0.2"))
    assert rows(found) == {"ISO-02": Change.SAME}


def test_a_new_test_that_fails(comparing: Comparing) -> None:
    a = events(("t", "PASS"), ("w", "FAIL", "", "ISO-04"))
    b = events(
        ("t", "PASS"),
        ("u", "FAIL", "boom"),
        ("v", "FAIL", "", "MPL-16"),
        ("w", "FAIL", "", "ISO-04"),
        suite="0.2",
    )
    found = comparing(a, b)
    assert changes(found) == {"t": Change.SAME, "u": Change.NEW, "v": Change.NEW, "w": Change.STILL}
    # ISO-02 held and does not hold any more; MPL-16 was never tested.
    assert rows(found) == {"ISO-02": Change.FAILING, "ISO-04": Change.STILL, "MPL-16": Change.NEW}
    assert conclusion(found) == "worse: 1 test newly failing (ISO-02) (besides: 1 new)"
    assert [str(finding) for finding in worse(found, {"new"})] == [
        "1 test newly failing (ISO-02)",
        "1 test new and failing (MPL-16)",
    ]


def test_what_a_did_not_get_to_is_no_regression(comparing: Comparing) -> None:
    a = events(("t", "PASS"), planned=("u",))
    found = comparing(a, events(("t", "PASS"), ("u", "FAIL")))
    assert changes(found)["u"] is Change.NEW
    assert rows(found) == {"ISO-02": Change.SAME}
    assert status(found) == 3
    assert conclusion(found).startswith("not worse as far as it goes: A is incomplete: 1 planned test has no")


def test_what_b_did_not_get_to(comparing: Comparing) -> None:
    a = events(("t", "PASS"), ("u", "PASS"), ("v", "PASS", "", "ISO-04"))
    b = events(("t", "PASS"), planned=("u", "v"))
    b[1]["requirements"]["v"] = ["ISO-04"]
    found = comparing(a, b)
    assert changes(found) == {"t": Change.SAME, "u": Change.LOST, "v": Change.LOST}
    assert rows(found) == {"ISO-02": Change.SAME, "ISO-04": Change.LOST}
    assert (status(found), status(found, {"missing"})) == (3, 1)
    assert incomplete(found) == "B is incomplete: 2 planned tests have no result"
    assert [str(finding) for finding in worse(found, {"missing"})] == ["2 tests not got to (ISO-02, ISO-04)"]


def test_a_regression_comes_before_what_is_missing(comparing: Comparing) -> None:
    found = comparing(events(("t", "PASS"), ("u", "PASS")), events(("t", "FAIL"), planned=("u",)))
    assert status(found) == 1


def test_topologies(comparing: Comparing) -> None:
    more = ("u", "FAIL", "", "ISO-04", "cxl")
    a = events(("t", "PASS"))
    b = events(("t", "PASS"), more, topologies=("fast", "cxl"))
    found = comparing(a, b)
    assert changes(found)["u"] is Change.ONLY_B
    assert rows(found) == {"ISO-02": Change.SAME}
    assert one_sided(found) == ["only in B: 1 test (1 FAIL): A did not run topology cxl"]
    assert status(found) == 0
    # Began on both, in one of them no guest got up.
    found = comparing(b, events(("t", "PASS"), topologies=("fast", "cxl")))
    assert changes(found)["u"] is Change.LOST
    assert status(found) == 3


def test_level_should(comparing: Comparing) -> None:
    found = comparing(events(("t", "PASS", "", "DSC-12")), events(("t", "FAIL", "", "DSC-12")))
    assert rows(found) == {"DSC-12": Change.FAILING}
    assert (status(found), status(found, {"should"})) == (0, 1)
    assert conclusion(found) == "not worse: 1 newly failing"


def test_kernels_that_died_between_two_tests(comparing: Comparing) -> None:
    a, b = events(("t", "PASS")), events(("t", "PASS"))
    found = comparing(a, [*b, death()])
    assert changes(found) == {"t": Change.SAME, "guests::panic": Change.FAILING}
    assert status(found) == 1
    # In another place it is the same death.
    assert changes(comparing([*a, death()], [*b, death(slot=1)]))["guests::panic"] is Change.STILL
    assert changes(comparing([*a, death()], b))["guests::panic"] is Change.FIXED
    assert status(comparing([*a, death()], [*b, death("oops")])) == 1


def test_one_death_more_is_newly_failing(comparing: Comparing) -> None:
    a, b = [*events(("t", "PASS")), death()], [*events(("t", "PASS")), death(slot=1), death(slot=2)]
    found = comparing(a, b)
    assert changes(found) == {
        "t": Change.SAME,
        "guests::panic": Change.STILL,
        "guests::panic-2": Change.FAILING,
    }
    assert status(found) == 1
    assert status(comparing(b, b)) == 0
    fewer = comparing(b, a)
    assert (changes(fewer)["guests::panic-2"], status(fewer)) == (Change.FIXED, 0)


def test_a_death_that_nobody_knows_does_not_hide_behind_one_that_is_known(comparing: Comparing) -> None:
    entry = {
        "name": "known.toml: [[known]] 1", "table": "known", "reason": "x", "link": "https://x.example",
        "expires": "2030-01-01", "match": {"test": ["guests::slot0-boot0"], "kind": ["panic"]},
        "intermittent": False, "builtin": False,
    }  # fmt: skip
    known = {"event": "known", "entries": [entry]}
    a = [*events(("t", "PASS")), known, death()]
    found = comparing(a, [*a, death(slot=1)])
    assert changes(found)["guests::panic"] is Change.FAILING  # KNOWN in A
    assert changes(found)["guests::panic-2"] is Change.EXCUSED
    assert status(found) == 1
    assert status(comparing(a, a)) == 0


def test_splats_between_two_tests_are_joined_by_their_fingerprint(comparing: Comparing) -> None:
    a = [*events(("t", "PASS")), splat("1" * 12)]
    found = comparing(a, [*a, splat("2" * 12)])
    assert changes(found) == {
        "t": Change.SAME,
        f"guests::splat-{'1' * 12}": Change.STILL,
        f"guests::splat-{'2' * 12}": Change.FAILING,
    }
    assert status(found) == 1
    assert changes(comparing(a, events(("t", "PASS"))))[f"guests::splat-{'1' * 12}"] is Change.FIXED
    # One for the other is a new one, too.
    assert status(comparing(a, [*events(("t", "PASS")), splat("2" * 12)])) == 1


def test_requirement_that_the_catalogue_has_not(comparing: Comparing) -> None:
    found = comparing(events(("t", "PASS", "", "OLD-01")), events(("t", "FAIL", "", "OLD-01")))
    (row,) = found.requirements
    assert (row.id, row.level, row.known, row.change) == ("OLD-01", "must", False, Change.FAILING)
    assert status(found) == 1


def test_nothing_in_common(comparing: Comparing) -> None:
    with pytest.raises(UserError, match="no test in common: A has 1 on fast, B 1 on cxl"):
        comparing(events(("t", "PASS")), events(("t", "PASS"), topologies=("cxl",)))


def test_what_differs_is_named(comparing: Comparing) -> None:
    kernel = {"release": "6.12.118-pnode", "image_sha256": "1" * 64}
    found = comparing(
        events(("t", "PASS")), events(("t", "PASS"), kernel=kernel, catalogue_hash="d", dialect="v5")
    )
    assert found.differences == {
        "kernel": ("6.12.117-pnode", "6.12.118-pnode"),
        "kernel image": ("0" * 12, "1" * 12),
        "dialect": ("v4", "v5"),
        "catalogue": ("c", "d"),
    }


@pytest.mark.parametrize("word", policy.TIGHTER)
def test_each_word_of_fail_on_can_fail(comparing: Comparing, word: str) -> None:
    rounds = {"repeat": 2}
    made = {
        "flaky": (events(("t", "PASS")), events(("t", "PASS"), ("t~2", "FAIL"), **rounds)),
        "changed": (events(("t", "FAIL", "x")), events(("t", "FAIL", "y"))),
        "new": (
            events(("t", "PASS"), ("u", "SKIP", "", "ISO-04")),
            events(("t", "PASS"), ("u", "FAIL", "", "ISO-04")),
        ),
        "missing": (events(("t", "PASS"), ("u", "PASS")), events(("t", "PASS"), planned=("u",))),
        "only-in-a": (
            events(("t", "PASS"), ("u", "PASS")),
            events(("t", "PASS"), argv=["run", "-k", "t"]),
        ),
        "should": (events(("t", "PASS", "", "DSC-12")), events(("t", "ERROR", "", "DSC-12"))),
    }
    if word == "slower":
        many: tuple[Test, ...] = tuple((f"t{n}", "PASS") for n in range(30))
        made["slower"] = (events(*many), events(*many))
        made["slower"][1][-1]["phases"]["call"] = 40.0
    found = comparing(*made[word])
    assert status(found) in (0, 3)
    assert status(found, {word}) == 1
    assert conclusion(found, {word}).startswith("worse: ")


def test_words_of_fail_on() -> None:
    assert parse("") == frozenset()
    assert parse("slower, flaky,") == {"slower", "flaky"}
    with pytest.raises(UserError, match=r"--fail-on slow: no such word; there are flaky, changed"):
        parse("slow")

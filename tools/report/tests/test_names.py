# SPDX-License-Identifier: GPL-2.0-only
import re

import pytest

from tools.report.names import block_name, chapter_of, class_and_name, expression, ktap_names, paths, unique


@pytest.mark.parametrize(
    ("nodeid", "group", "name"),
    [
        ("selftests/iso/test_gate.py::test_a[x/y-1]", "iso.test_gate", "test_a[x/y-1]"),
        ("selftests/iso/test_gate.py::TestIt::test_a", "iso.test_gate.TestIt", "test_a"),
        ("test_a.py::test_b[a::b]", "test_a", "test_b[a::b]"),
    ],
)
def test_class_and_name(nodeid, group, name):
    assert class_and_name(nodeid) == (group, name)


def test_chapter_is_of_the_first_requirement_else_the_folder():
    assert chapter_of(["ISO-02", "DSC-01"], "selftests/x/test_a.py::test_b") == "ISO"
    assert chapter_of([], "selftests/stress/test_a.py::test_b") == "stress"
    assert chapter_of([], "guests::slot0-boot1") == "guests"


def test_ktap_names_are_safe_unique_and_do_not_depend_on_order():
    nodeids = [
        "selftests/a/test_x.py::test_y[é {1,2}]",
        "selftests/a/test_x.py::test_y[ü {1,2}]",
        "selftests/a/test_x.py::test_y[1#2]",
        "selftests/a/test_x.py::test_y",
    ]
    names = ktap_names(nodeids)
    assert names == ktap_names(reversed(nodeids))
    assert len(set(names.values())) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in names.values())
    assert names["selftests/a/test_x.py::test_y[1#2]"] == "a.test_x.test_y-1-2"


def test_every_ktap_name_has_a_dot_and_no_block_has():
    assert ktap_names(["ISO", "a::b", "[]", ""]).keys() == {"ISO", "a::b", "[]", ""}
    assert all("." in name for name in ktap_names(["ISO", "a::b", "[]", ""]).values())
    assert block_name("x.y z") == "x-y-z"
    assert block_name("") == "none"


def test_paths_are_what_kcidb_takes():
    nodeids = [
        "selftests/a/test_x.py::TestIt::test_y[0.5-/dev/x]",
        "selftests/a/test_x.py::TestIt::test_y[0-5-/dev/x]",
        "selftests/a/test_x.py::test_y[{}]",
        "guests::slot0-boot1",
        "é",
    ]
    found = paths(nodeids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*", path) for path in found.values())
    assert len(set(found.values())) == len(nodeids)
    assert found[nodeids[0]] == "a.test_x.TestIt.test_y-0-5--dev-x-2"
    assert found[nodeids[1]] == "a.test_x.TestIt.test_y-0-5--dev-x"
    assert found[nodeids[2]] == "a.test_x.test_y"
    assert found[nodeids[3]] == "guests.slot0-boot1"


def test_a_number_never_takes_the_name_of_another():
    assert unique({1: "a", 2: "a", 3: "a.2", 4: "a"}, ".") == {1: "a", 2: "a.2", 3: "a.2.2", 4: "a.3"}


@pytest.mark.parametrize(
    ("nodeid", "word"),
    [
        ("selftests/a.py::test_y[a-1]", "test_y[a-1]"),
        ("selftests/a.py::test_y[a b]", "test_y"),
        ("selftests/a.py::test_y[{1}]", "test_y"),
        ("selftests/a.py::TestIt::test_y", "test_y"),
    ],
)
def test_expression_is_what_pytest_understands(nodeid, word):
    from _pytest.mark.expression import Expression

    assert expression(nodeid) == word
    name = nodeid.rpartition("::")[2]
    assert Expression.compile(word).evaluate(lambda wanted, **_: wanted in name)

# SPDX-License-Identifier: GPL-2.0-only
"""What is no run, or one that says nothing, is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.compare.side import Side, load
from tools.compare.tests.conftest import CATALOGUE, Events, events
from tools.errors import UserError

WHOLE = events(("a", "PASS"))
PLAN_ONLY = events(planned=("a", "b"))
UNFIT = [
    {"event": "run-start", "schema": 1, "topologies": ["fast"], "dialect": "none"},
    {"event": "problem", "kind": "usage", "message": "kernel 6.1.0 has no private memory nodes"},
]


def text(found: Events) -> str:
    return "".join(json.dumps(event) + "\n" for event in found)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"no results.jsonl in it; give the directory of a run"),
        ("", "results.jsonl: empty; give"),
        ("<html>\n", "not the record of a run; give"),
        ('[1]\n"x"\n', "not the record of a run; give"),
        (text(WHOLE)[:30], "not the record of a run; give"),
        (text(PLAN_ONLY), "no test of it has a result; there is nothing to compare"),
        (text(UNFIT), "that run could not judge its kernel: kernel 6.1.0 has no private memory nodes"),
        (
            text([*PLAN_ONLY, {"event": "problem", "kind": "guest", "message": "no QEMU"}]),
            "no test of it has a result: no QEMU; there",
        ),
        (text(events(("a", "PASS"), schema=2)), "events of version 2, this pnode reads 1"),
        (text(events(("a", "PASS"), argv=["faults", "--all"])), "a run of pnode faults"),
        (text([*WHOLE, {"event": "faults", "rows": []}]), "a run of pnode faults"),
        ('{"event": "test", "outcome": "WRONG"}\n', "not the record of a run of this pnode \\(KeyError"),
    ],
)
def test_bad_runs(tmp_path: Path, content: str | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "results.jsonl").write_text(content)
    with pytest.raises(UserError, match=reason) as caught:
        load("B", tmp_path, CATALOGUE)
    assert str(caught.value).startswith(f"B {tmp_path}")
    assert "\n" not in str(caught.value)


def test_no_such_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such run; give the directory of a run"):
        load("A", tmp_path / "absent", CATALOGUE)


def test_directory_and_record_are_the_same(tmp_path: Path) -> None:
    record = tmp_path / "results.jsonl"
    record.write_text(text(WHOLE))
    assert load("A", record, CATALOGUE).tests.keys() == load("A", tmp_path, CATALOGUE).tests.keys()


def test_record_cut_short(tmp_path: Path) -> None:
    record = tmp_path / "results.jsonl"
    whole = text(events(("a", "PASS"), ("b", "PASS")))
    record.write_text(whole[:-20])
    side = load("A", record, CATALOGUE)
    assert (side.damaged, side.missing, side.incomplete) == (1, 1, "1 planned test has no result")
    # Without its head: what is there can be compared, but not what is missing.
    record.write_text("".join(whole.splitlines(keepends=True)[2:]))
    side = load("A", record, CATALOGUE)
    assert (len(side.tests), side.incomplete) == (2, "its record has lost the plan")


def test_topology_that_never_began(sides: Callable[[str, Events], Side]) -> None:
    side = sides("A", events(("a", "PASS"), topologies=("fast", "cxl")))
    assert side.incomplete == "it never began on cxl"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], ()),
        (["run", "--kernel", "K", "--topology", "cxl", "--guests", "2"], ()),
        (["run", "--req", "ISO", "--req=MPL-04"], ("--req ISO", "--req MPL-04")),
        (
            ["run", "-k", "a or b", "--", "-x", "selftests/isolation"],
            ("-k a or b", "-x", "selftests/isolation"),
        ),
    ],
)
def test_choice_of_tests(
    sides: Callable[[str, Events], Side], argv: list[str], expected: tuple[str, ...]
) -> None:
    assert sides("A", events(("a", "PASS"), argv=argv)).selection == expected


def test_durations_are_those_of_the_test_itself(sides: Callable[[str, Events], Side]) -> None:
    found: list[dict[str, Any]] = events(("a", "PASS"), ("a~2", "PASS"), ("a~3", "FAIL"), ("b", "PASS"))
    del found[-1]["phases"]
    assert sides("A", found).durations == {("fast", "a"): [0.4, 0.4], ("fast", "b"): [1.0]}

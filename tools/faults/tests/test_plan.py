# SPDX-License-Identifier: GPL-2.0-only
"""Which faults and which control tests are chosen: always the same, and no test that the fault concerns."""

import json

import pytest

from tools.errors import UserError
from tools.faults import plan, session
from tools.kernel.faults import Fault, load

TESTS = {f"test_{chapter.lower()}": (f"{chapter}-01",) for chapter in ("ISO", "DEV", "MPL", "REG", "ZNL")}


def fault(name: str, **rest: object) -> Fault:
    return Fault(name, "hook", "breaks", **{"turns_red": ("ISO-02",), **rest})  # type: ignore[arg-type]


FAULTS = {
    one.name: one
    for one in (
        *(fault(f"gate-{n}") for n in range(9)),
        *(fault(f"mpol-{n}") for n in range(9)),
        fault("state-both", crashes=True),
        fault("gate-retry", turns_red=(), unseen="no"),
    )
}


def test_named_faults_once() -> None:
    assert [one.name for one in plan.choose(FAULTS, ["mpol-1", "gate-1", "mpol-1"], False)] == [
        "mpol-1",
        "gate-1",
    ]


def test_an_unknown_fault() -> None:
    with pytest.raises(UserError, match="--fault nothing: no such fault"):
        plan.choose(FAULTS, ["nothing"], False)


def test_all_that_can_be_seen() -> None:
    assert len(plan.choose(FAULTS, [], True)) == 19


def test_a_sample_is_those_marked_for_it() -> None:
    marked = fault("mpol-x", sample=True)
    assert plan.choose({**FAULTS, marked.name: marked}, [], False) == [marked]


def test_the_sample_is_of_many_kinds_and_crashes_nothing() -> None:
    chosen = plan.choose(load(), [], False)
    assert len({one.name.partition("-")[0] for one in chosen}) >= 6
    assert not any(one.crashes or one.unseen for one in chosen)


def test_control_tests_are_of_other_chapters() -> None:
    chosen = plan.controls(fault("gate-1", also=("DEV",)), TESTS)
    assert chosen == plan.controls(fault("gate-1", also=("DEV",)), TESTS)
    assert sorted(chosen) == ["test_mpl", "test_reg", "test_znl"]


def test_crashes_come_last() -> None:
    assert [one.name for one in plan.order([fault("a", crashes=True), fault("b")])] == ["b", "a"]


def test_the_plan_is_json() -> None:
    (row,) = json.loads(plan.encode([fault("gate-1", first=("bulk",))], TESTS, every=True))
    assert row["name"] == "gate-1"
    assert row["requirements"] == ["ISO-02"]
    assert row["first"] == ["bulk"]
    assert row["every"] is True
    assert "seconds" not in row


def test_a_fault_that_hangs_has_a_deadline_of_its_own() -> None:
    faults = [fault("gate-1"), fault("gate-2", seconds=15)]
    assert session.deadlines(faults, 2.0) == {"faults::gate-2": (15 + session.LAST_TEST) * 2}


def test_others_can_be_asked_to_notice() -> None:
    """Whose requirements the fault is of may be red as well, as control tests they would be no control."""
    (found,) = plan.by([fault("gate-1", first=("x",), also=("DEV",))], ["STR-01", "STR-04"])
    assert found.turns_red == ("STR-01", "STR-04")
    assert found.also == ("DEV", "ISO-02")
    assert (found.first, found.seconds) == ((), 2 * plan.BY_SECONDS)

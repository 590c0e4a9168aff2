# SPDX-License-Identifier: GPL-2.0-only
"""Races: which are tried, with which scenes, and what a median is when some tries found nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools.errors import UserError
from tools.faults import matrix, plan, show, tries
from tools.faults.matrix import Fate, Red, Row
from tools.kernel.faults import Fault, load

LOST = Fault("race-lost", "hook", "breaks", ("STR-02",), racy=True)
HUNG = Fault("race-hung", "hook", "breaks", ("STR-01", "STR-02"), racy=True, crashes=True)
PLAIN = Fault("gate-bulk", "hook", "breaks", ("ISO-02",))
FAULTS = {fault.name: fault for fault in (LOST, HUNG, PLAIN)}


def row(number: int, fate: Fate, raced: float, part: str = "STR-02") -> Row:
    reds = (Red("test", part, "says so"),) if fate is Fate.CAUGHT else ()
    return Row(f"race-lost#{number}", fate, reds=reds, raced=raced)


def race(*rows: Row) -> tries.Race:
    (found,) = tries.races([*rows, Row("gate-bulk", Fate.CAUGHT)])
    return found


def test_races_are_no_part_of_all_nor_of_the_sample() -> None:
    assert [fault.name for fault in plan.choose(FAULTS, [], True)] == ["gate-bulk"]
    assert not any(fault.racy for fault in plan.choose(load(), [], False))
    assert [fault.name for fault in tries.choose(FAULTS, [])] == ["race-lost", "race-hung"]
    assert len(tries.choose(load(), [])) >= 12


def test_a_fault_that_is_no_race() -> None:
    assert tries.choose(FAULTS, ["race-hung"]) == [HUNG]
    with pytest.raises(UserError, match="--fault gate-bulk: no racy fault; these are: race-lost, race-hung"):
        tries.choose(FAULTS, ["gate-bulk"])


def test_each_try_has_scenes_of_its_own() -> None:
    how = tries.Trying(tries=2, seconds=45, seed=7)
    tried = tries.spread([LOST, HUNG], how)
    assert [fault.name for fault in tried] == ["race-lost#1", "race-lost#2", "race-hung#1", "race-hung#2"]
    assert all(fault.seconds > how.seconds for fault in tried)
    rows: list[dict[str, Any]] = json.loads(tries.encode(tried, how))
    assert [one["seed"] for one in rows[:2]] == [7, 107]
    assert rows[3] == {
        "name": "race-hung",
        "label": "race-hung#2",
        "requirements": ["STR-01", "STR-02"],
        "alone": True,
        "seconds": 45,
        "seed": 107,
    }


def test_the_median_of_five() -> None:
    found = race(*(row(number, Fate.CAUGHT, 10.0 * number) for number in range(1, 6)))
    assert (found.median, found.good, found.by) == (30.0, True, ("STR-02",))


def test_tries_that_found_nothing_count_as_later_than_all() -> None:
    good = race(row(1, Fate.CAUGHT, 8.0), row(2, Fate.SURVIVED, 60.0), row(3, Fate.CAUGHT, 20.0))
    assert (good.median, good.missed, good.good) == (20.0, (60.0,), True)
    bad = race(row(1, Fate.CAUGHT, 8.0), row(2, Fate.SURVIVED, 60.0), row(3, Fate.SURVIVED, 60.0))
    assert (bad.median, bad.good) == (None, False)
    assert json.loads(json.dumps(bad.json()))["median"] is None


def test_a_try_without_a_result_is_told() -> None:
    found = race(row(1, Fate.CAUGHT, 8.0), row(2, Fate.LOST, 0.0), row(3, Fate.UNPROVED, 5.0))
    assert (found.lost, found.good) == (2, False)


def test_the_table() -> None:
    rows = [row(1, Fate.CAUGHT, 8.0), row(2, Fate.CAUGHT, 9.5), row(3, Fate.SURVIVED, 60.0)]
    text = show.lines(matrix.Matrix(rows))
    assert (
        "race-lost  found in 2 of 3 tries by STR-02; after 8.0, 9.5 s of racing; median 9.5 s; "
        "not found in 60 s" in text
    )


def test_a_try_that_ended_its_guest_is_timed_by_its_console(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text(
        "[   10.000000] pnode-fault: race-hung#1 STR-01 selftests/a.py::test_a\n"
        "[   30.500000] pnode-stress: seed=1 seconds=5 flags=0x3 acts=ops\n"
        "[   36.000000] pnode-fault: race-hung#1 STR-02 selftests/a.py::test_b\n"
        "[   37.000000] pnode-stress: seed=1 seconds=5 flags=0x3 acts=ops\n"
        "[   42.500000] Kernel panic - not syncing: Fatal exception\r\n"
    )
    crash = {
        "event": "test", "nodeid": "faults::race-hung#1", "outcome": "FAIL", "kind": "oops", "duration": 50.0,
        "properties": [], "console": "console.log",
    }  # fmt: skip
    (tried,) = tries.spread([HUNG], tries.Trying(tries=1))
    (found,) = matrix.build([tried], [crash], tmp_path).rows
    assert (found.fate, found.raced, found.caught_by[0].part) == (Fate.CAUGHT, 12.0, "STR-02")


@pytest.mark.parametrize("kind", ["test-hang", "guest-lost"])
def test_a_guest_that_ran_out_of_time_has_found_no_race(tmp_path: Path, kind: str) -> None:
    (tmp_path / "console.log").write_text("[  10.0] pnode-fault: race-hung#1 STR-01 selftests/a.py::test_a\n")
    lost = {"event": "test", "nodeid": "faults::race-hung#1", "outcome": "FAIL", "properties": []}
    (tried,) = tries.spread([HUNG], tries.Trying(tries=1))
    (row,) = matrix.build([tried], [lost | {"kind": kind, "console": "console.log"}], tmp_path).rows
    assert (row.fate, row.reds) == (Fate.LOST, ())


def test_tries_come_back_from_a_record_that_was_cut_short(tmp_path: Path) -> None:
    events = [{"event": "plan", "time": 1.0, "tests": ["faults::race-lost#1"]}]
    (lost,) = (matrix.recorded(events, tmp_path, FAULTS) or matrix.Matrix()).rows
    assert (lost.fault, lost.fate) == ("race-lost#1", Fate.LOST)

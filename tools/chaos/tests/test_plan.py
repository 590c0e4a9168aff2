# SPDX-License-Identifier: GPL-2.0-only
"""Which faults, in which order."""

from collections import Counter

from tools.chaos import data, plan
from tools.chaos.data import GOOD

KNOWN = list(data.load().values())


def test_the_same_seed_draws_the_same() -> None:
    assert plan.draw(KNOWN, 300, 5) == plan.draw(KNOWN, 300, 5)
    assert plan.draw(KNOWN, 300, 5) != plan.draw(KNOWN, 300, 6)


def test_each_fault_comes_before_any_comes_again() -> None:
    drawn = Counter(fault.name for fault in plan.draw(KNOWN, 300, 5))
    assert set(drawn) == {fault.name for fault in KNOWN}
    assert max(drawn.values()) - min(drawn.values()) <= 1


def test_sessions_have_all_of_them_with_good_tests_around() -> None:
    drawn = plan.draw(KNOWN, 100, 5)
    sessions = plan.sessions(drawn, 5, 20)
    injected = [fault for session in sessions for fault in session.faults if fault is not GOOD]
    assert Counter(fault.name for fault in injected) == Counter(fault.name for fault in drawn)
    for session in sessions:
        assert session.faults[0] is GOOD
        assert session.faults[-1] is GOOD
        alone = [fault for fault in session.faults if fault.by == "run"]
        assert not alone or session.injected == 1
        assert session.injected <= 20


def test_names_are_those_of_the_tests() -> None:
    (session,) = plan.sessions([data.load()["panic"]], 1)
    assert session.nodeids()[1] == "tools/chaos/inside/misbehaving.py::test_chaos[001-panic]"

# SPDX-License-Identifier: GPL-2.0-only
"""Which list a requirement is told in: for each outcome, level, and with or without a waiver."""

import pytest

from tools.certificate.claims import FAILED, PASSED, WARNED, Claim, sort_out
from tools.report.events import Outcome
from tools.report.verdict import Tally


def claim(outcome: Outcome, level: str = "must") -> Claim:
    tests = {} if outcome is Outcome.NONE else {"fast": Tally({outcome: 1, Outcome.SKIP: 1})}
    return Claim("ISO-01", level, tests)


@pytest.mark.parametrize("outcome", Outcome)
def test_only_a_pass_passes(outcome: Outcome) -> None:
    found = sort_out([claim(outcome)], ())
    if outcome is Outcome.PASS:
        assert (found.passed, found.result(remarks=False)) == (["ISO-01"], PASSED)
    elif outcome in (Outcome.SKIP, Outcome.NONE):
        assert (found.untested, found.result(remarks=False)) == (["ISO-01"], PASSED)
    else:
        assert (found.failed, found.result(remarks=False)) == (["ISO-01"], FAILED)


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("level", ["must", "should"])
def test_what_is_waived_is_warned_of(outcome: Outcome, level: str) -> None:
    found = sort_out([claim(outcome, level)], {"ISO-01"})
    assert (found.warned, found.passed, found.failed, found.untested) == (["ISO-01"], [], [], [])
    assert found.result(remarks=False) == WARNED


def test_a_should_never_fails() -> None:
    assert sort_out([claim(Outcome.FAIL, "should")], ()).warned == ["ISO-01"]


def test_another_remark_is_a_warning() -> None:
    assert sort_out([claim(Outcome.PASS)], ()).result(remarks=True) == WARNED


def test_the_worst_topology_counts() -> None:
    tests = {"fast": Tally({Outcome.PASS: 9}), "cxl": Tally({Outcome.FAIL: 1})}
    one = Claim("ISO-01", "must", tests)
    assert one.verdict is Outcome.FAIL
    assert Claim.read("ISO-01", one.json()) == one

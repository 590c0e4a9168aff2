# SPDX-License-Identifier: GPL-2.0-only
"""Every pair of outcomes has one word."""

import itertools
from dataclasses import replace

import pytest

from tools.compare.changes import Change, by_outcome, of_test, signature
from tools.report.events import Outcome
from tools.report.outcomes import TestVerdict

PASS, FAIL, ERROR, FLAKY, MISS, SKIP, KNOWN = (
    Outcome.PASS, Outcome.FAIL, Outcome.ERROR, Outcome.FLAKY, Outcome.MISS, Outcome.SKIP, Outcome.KNOWN,
)  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b", "change"),
    [
        (PASS, PASS, Change.SAME),
        (PASS, FAIL, Change.FAILING),
        (PASS, ERROR, Change.FAILING),
        (PASS, FLAKY, Change.FLAKY),
        (PASS, MISS, Change.LOST),
        (PASS, SKIP, Change.LOST),
        (FAIL, PASS, Change.FIXED),
        (FAIL, FAIL, Change.STILL),
        (ERROR, FAIL, Change.STILL),
        (FAIL, SKIP, Change.LOST),
        (FAIL, FLAKY, Change.FLAKY),
        (FLAKY, FLAKY, Change.FLAKY),
        (FLAKY, MISS, Change.LOST),
        (MISS, PASS, Change.NEW),
        (SKIP, FAIL, Change.NEW),
        (MISS, SKIP, Change.SAME),
        (PASS, KNOWN, Change.EXCUSED),
        (FAIL, KNOWN, Change.STILL),
        (KNOWN, KNOWN, Change.STILL),
        (KNOWN, FAIL, Change.FAILING),
        (KNOWN, PASS, Change.FIXED),
        (KNOWN, SKIP, Change.LOST),
        (SKIP, KNOWN, Change.NEW),
        (FLAKY, KNOWN, Change.FLAKY),
        (Outcome.NONE, MISS, Change.SAME),
        (Outcome.NONE, PASS, Change.NEW),
    ],
)
def test_pairs(a: Outcome, b: Outcome, change: Change) -> None:
    assert by_outcome(a, b) is change


def test_each_pair_has_a_word() -> None:
    for a, b in itertools.product(Outcome, Outcome):
        assert by_outcome(a, b) in Change


def test_one_round_does_not_settle_what_was_flaky() -> None:
    assert by_outcome(FLAKY, PASS) is by_outcome(FLAKY, FAIL) is Change.FLAKY
    assert by_outcome(FLAKY, PASS, rounds=10) is Change.FIXED
    assert by_outcome(FLAKY, FAIL, rounds=10) is Change.FAILING


def verdict(message: str, outcome: Outcome = FAIL, kind: str = "assertion") -> TestVerdict:
    return TestVerdict("fast", "a", outcome, ("ISO-02",), kind, message)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        # From real runs: what differs between two of the same kernel.
        ("where True = any(<genexpr> at 0x7f2652152ce0>)", "where True = any(<genexpr> at 0x7f11aa>)"),
        ("waited 10.0 s (limit 10 s) for: the control", "waited 10.2 s (limit 10 s) for: the control"),
        ("assert ([None, 1068941] != [None, 1068937])", "assert ([None, 1068111] != [None, 1064242])"),
        ("RIP: 0010:ffffffff81234567", "RIP: 0010:ffffffff81999999"),
    ],
)
def test_chance_is_no_change(a: str, b: str) -> None:
    assert of_test(verdict(a), verdict(b)) is Change.STILL


@pytest.mark.parametrize(
    "b",
    [
        verdict("assert 'EBUSY' == 'ok'"),
        verdict("assert 'EINTR' == 'ok'", kind="exception"),
        verdict("assert 'EINTR' == 'ok'", ERROR),
    ],
)
def test_failing_otherwise(b: TestVerdict) -> None:
    a = verdict("assert 'EINTR' == 'ok'")
    assert of_test(a, b) is Change.OTHERWISE
    assert of_test(a, a) is Change.STILL
    assert of_test(a, replace(a, outcome=KNOWN)) is Change.STILL


def test_small_numbers_count() -> None:
    assert signature(verdict("status -2")) != signature(verdict("status -14"))

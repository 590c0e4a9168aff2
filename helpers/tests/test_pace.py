# SPDX-License-Identifier: GPL-2.0-only
import pytest

from helpers import pace
from helpers.wait import wait_until


@pytest.mark.parametrize(
    ("text", "factor"), [("2.5", 2.5), ("0.1", 1), ("", 1), ("fast", 1), ("1e9", pace.LONGEST)]
)
def test_what_is_handed_on_is_a_factor_of_at_least_one(monkeypatch, text, factor):
    monkeypatch.setenv(pace.VARIABLE, text)
    assert pace.pace() == factor
    assert pace.scaled(10) == 10 * factor


def test_nobody_measured(monkeypatch):
    monkeypatch.delenv(pace.VARIABLE, raising=False)
    assert pace.scaled(3.0) == 3.0


def test_faster_than_usual_changes_no_bound():
    assert pace.factor(pace.USUAL_MS / 20) == pace.factor(pace.USUAL_MS) == 1
    assert pace.factor(pace.USUAL_MS * 3) == 3
    assert pace.factor(pace.USUAL_MS * 1000) == pace.LONGEST


def test_the_work_is_small_and_real():
    assert 0 < pace.measure() < 5000


def test_waiting_follows_the_pace(monkeypatch):
    monkeypatch.setenv(pace.VARIABLE, "3")
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    with pytest.raises(TimeoutError, match=r"waited 6.0 s \(limit 6 s\)"):
        wait_until(lambda: False, 2, "nothing", clock=lambda: now[0], sleep=sleep)

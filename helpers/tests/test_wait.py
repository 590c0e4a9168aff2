# SPDX-License-Identifier: GPL-2.0-only
import pytest

from helpers.wait import LONGEST_PAUSE, wait_until


class FakeTime:
    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return FakeTime()


def test_returns_what_the_predicate_returned_without_a_pause(time):
    assert wait_until(lambda: "seven", 0, "x", clock=time, sleep=time.sleep) == "seven"
    assert time.pauses == []


def test_pauses_double_up_to_a_bound(time):
    wait_until(lambda: time.now > 2, 10, "x", clock=time, sleep=time.sleep)
    assert time.pauses[1] == 2 * time.pauses[0]
    assert max(time.pauses) == LONGEST_PAUSE


def test_timeout_says_what_and_how_long(time):
    with pytest.raises(TimeoutError, match=r"waited 1\.0 s \(limit 1 s\) for: node 3 to be empty"):
        wait_until(lambda: False, 1, "node 3 to be empty", clock=time, sleep=time.sleep)


def test_one_more_look_after_the_last_pause(time):
    assert wait_until(lambda: time.now >= 1.0, 1.0, "x", clock=time, sleep=time.sleep)


def test_the_text_may_be_made_late(time):
    with pytest.raises(TimeoutError, match="free pages, now 12"):
        wait_until(lambda: 0, 0, lambda: f"free pages, now {3 * 4}", clock=time, sleep=time.sleep)


def test_errors_of_the_predicate_pass(time):
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 // 0, 1, "x", clock=time, sleep=time.sleep)

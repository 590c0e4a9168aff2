# SPDX-License-Identifier: GPL-2.0-only
"""The time of the chapter STR."""

import argparse

import pytest

from helpers.stress import SCENES, SECONDS, longest, seconds


def test_seconds_are_for_all_scenes() -> None:
    assert seconds("60") == 60.0
    assert seconds(str(SCENES)) == SCENES


@pytest.mark.parametrize("text", ["0", "-5", "13.9", "nan", "inf", "an hour", ""])
def test_too_little_is_said(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="14 scenes need one each"):
        seconds(text)


def test_a_test_is_overdue_later_when_its_scene_is_longer() -> None:
    assert longest(None, None) == 0
    assert longest(SECONDS, None) == 0
    assert longest(3600, None) == 253
    assert longest(None, "seed=1 seconds=12.5 acts=faults") == 8
    assert longest(3600, "seed=1 seconds=2 acts=faults") == 0

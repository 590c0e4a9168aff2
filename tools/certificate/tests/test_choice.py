# SPDX-License-Identifier: GPL-2.0-only
"""What counts as a choice of tests."""

import pytest

from helpers.stress import SECONDS
from tools.certificate.choice import choice


@pytest.mark.parametrize(
    "word",
    ["--repeat=30", "--repeat=1", "--seed=-7", f"--stress-seconds={SECONDS}", "--stress-seconds=3600.0"],
)
def test_more_rounds_an_order_and_longer_races_are_none(word: str) -> None:
    assert choice([word]) == []


@pytest.mark.parametrize(
    "words",
    [
        ["-k", "not policy"],
        ["--deselect=x"],
        ["--stress-seconds=14.0"],
        ["--stress-seconds=inf"],
        ["--stress-seed=7"],
        ["--stress-scene=pingpong seconds=1"],
        ["--repeat=0"],
        ["--repeat=3 -x"],
        ["--property-seed=3"],
    ],
)
def test_everything_else_is_one(words: list[str]) -> None:
    assert choice(["--repeat=3", *words]) == words


def test_the_value_of_an_option_may_look_like_another() -> None:
    assert choice(["-k", "--repeat=3"]) == ["-k"]

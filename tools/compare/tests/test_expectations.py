# SPDX-License-Identifier: GPL-2.0-only
"""Runs of two dialects: what was to change, and what changed."""

import pytest

from tools.compare.expectations import conduct, sort
from tools.compare.tests.conftest import Comparing, events
from tools.compare.text import render


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("PASS", "PASS", "each does what its dialect expects"),
        ("FAIL", "PASS", "B does what its dialect expects"),
        ("PASS", "FAIL", "B does not show what its dialect expects"),
        ("PASS", "SKIP", "B does not show what its dialect expects"),
        ("ERROR", "FAIL", "neither shows what its dialect expects"),
    ],
)
def test_conduct(comparing: Comparing, a: str, b: str, said: str) -> None:
    found = comparing(
        events(("t", a, "", "MPL-09"), ("u", "PASS")),
        events(("t", b, "", "MPL-09"), ("u", "PASS"), dialect="v5"),
    )
    (row,) = sort(found).changed
    assert (row.id, conduct(row)) == ("MPL-09", said)
    assert sort(found).behaviour == ()


def test_behaviour_without_a_changed_expectation(comparing: Comparing) -> None:
    found = comparing(
        events(("same", "PASS"), ("unsaid", "PASS", "", "ISO-04")),
        events(("same", "FAIL"), ("unsaid", "FAIL", "", "ISO-04"), dialect="v5"),
    )
    assert [row.id for row in sort(found).behaviour] == ["ISO-02", "ISO-04"]
    assert sort(found).unsaid == {"v5": ("ISO-04",)}


def test_one_dialect_has_no_such_section(comparing: Comparing) -> None:
    assert "by dialect" not in render(comparing(events(("t", "PASS")), events(("t", "FAIL"))))


def test_kernel_that_nobody_could_ask(comparing: Comparing) -> None:
    found = render(comparing(events(("t", "PASS")), events(("t", "PASS"), dialect=None)))
    assert "dialect: v4 -> not said" in found
    assert "expectation changed by dialect (v4 -> none): 0 requirements" in found

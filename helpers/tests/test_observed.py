# SPDX-License-Identifier: GPL-2.0-only
"""What tests note of where pages landed."""

import json

import pytest

from helpers import observed
from helpers.residency import Residency


@pytest.fixture
def noted():
    """What is noted in this test, with node 1 for a private one."""
    entries = [("requirement", "MPL-04")]
    observed.collect(entries, lambda: [1])
    yield entries
    observed.collect(None)


def on(*nodes):
    return Residency(list(nodes), [None] * len(nodes))


def test_pages_by_node_and_in_their_order(noted):
    where = on(0, 1, 0, 1, 1, None)
    assert observed.landed(where, "INTERLEAVE", {1, 0}, by="mbind") is where
    assert noted[0] == ("requirement", "MPL-04")
    name, value = noted[1]
    assert name == "residency"
    assert json.loads(value) == {
        "policy": "INTERLEAVE",
        "nodes": [0, 1],
        "by": "mbind",
        "counts": {"0": 2, "1": 3},
        "absent": 1,
        "runs": [[0, 1], [1, 1], [0, 1], [1, 2], [None, 1]],
        "private": [1],
    }


def test_what_is_noted_is_bounded(noted):
    for _ in range(observed.MOST + 5):
        observed.landed(on(*[0, 1] * 5000), "INTERLEAVE")
    assert len(noted) == 1 + observed.MOST
    told = json.loads(noted[1][1])
    assert told["counts"] == {"0": 5000, "1": 5000}
    assert len(told["runs"]) == observed.RUNS
    assert len(noted[1][1]) < 1024


def test_nothing_is_kept_without_a_test():
    observed.landed(on(0), "BIND", [0])
    assert observed.take() == []

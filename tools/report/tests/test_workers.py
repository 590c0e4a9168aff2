# SPDX-License-Identifier: GPL-2.0-only
"""When a guest that was lost gets a replacement: with a scheduler's queues, without guests."""

from types import SimpleNamespace

import pytest

from tools.report.workers import guard_replacement


@pytest.mark.parametrize(
    ("pending", "queues", "replaced"),
    [
        ([7], [[]], True),  # handed back by the one that was lost
        ([], [[1, 2, 3]], True),  # one of another's can be taken
        ([], [[1, 2]], False),  # the one that runs and the next: a scheduler leaves these
        ([], [], False),
    ],
)
def test_a_replacement_only_where_a_test_is_left_for_it(pending, queues, replaced):
    made = []
    sched = SimpleNamespace(collection=["x"], pending=pending, node2pending=dict(enumerate(queues)))
    session = SimpleNamespace(sched=sched, _clone_node=lambda node: made.append(node) or node)
    guard_replacement(session, lambda node, error: pytest.fail(f"{node}: {error}"))
    session._clone_node("lost")
    assert made == (["lost"] if replaced else [])

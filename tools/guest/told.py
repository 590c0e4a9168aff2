# SPDX-License-Identifier: GPL-2.0-only
"""Tells the guests which tests there are, so that none has to collect the whole suite: pnode_tests, ids in
the order of the plan (inside/guest_collection.py), or pnode_requirements, ids by requirement
(fixtures/faults.py).
"""

from __future__ import annotations

from typing import Any

import pytest


class Told:
    """A plugin of the session on the host, for workers in guests."""

    def __init__(self, **told: object) -> None:
        self._told = told

    @pytest.hookimpl
    def pytest_configure_node(self, node: Any) -> None:
        """Give it to a worker; an interpreter that is none of our guests does not look at it."""
        node.workerinput.update(self._told)

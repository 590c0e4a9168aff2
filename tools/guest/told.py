# SPDX-License-Identifier: GPL-2.0-only
"""Tells the guests which tests there are, so that none has to collect the whole suite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

#: As in inside/guest_collection.py.
KEY = "pnode_tests"


class Told:
    """A plugin of the session on the host, for workers in guests."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = list(ids)

    @pytest.hookimpl
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker the list; an interpreter that is none of our guests does not look at it."""
        node.workerinput[KEY] = self._ids
